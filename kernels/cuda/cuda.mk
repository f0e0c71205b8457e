# The CUDA plugin: build/siam-cuda.so, for every GPU this nvcc knows of the list
# and, as PTX, for those to come. Programs do not link it; they open it.

CUDA_ARCHS ?= 75 80 86 89 90 100 120
CUDA_CODES  = $(filter $(shell $(NVCC) --list-gpu-code),$(CUDA_ARCHS:%=sm_%))
CUDA_TARGETS = $(foreach a,$(CUDA_CODES:sm_%=%),-gencode arch=compute_$(a),code=sm_$(a)) \
               $(foreach a,$(patsubst sm_%,%,$(lastword $(CUDA_CODES))),-gencode arch=compute_$(a),code=compute_$(a))
CUDA_HOME   = $(abspath $(dir $(NVCC))..)
# Without exceptions and the like the C++ library is not needed at run time.
CUDA_HOST   = -fPIC,-fvisibility=hidden,-fno-exceptions,-fno-rtti,-fno-threadsafe-statics,-Wall,-Wextra,-Wshadow,-Wconversion
CUDA_FLAGS  = -std=c++17 -O3 -I. -Werror all-warnings -Xptxas -v -Xcompiler $(CUDA_HOST)
CUDA_OBJ   := $(patsubst %.cu,$(B)/%.cu.o,$(wildcard kernels/cuda/*.cu))

cuda: $(if $(NVCC),$(B)/siam-cuda.so $(B)/cuda-registers.txt,no-nvcc) ## the plugin for NVIDIA GPUs (needs nvcc and cuBLAS)

.PHONY: no-nvcc print-nvcc
print-nvcc:
	@echo "$(NVCC)"

no-nvcc:
	@echo "nvcc was not found: install the CUDA toolkit, or say where it is with NVCC=" >&2; exit 1

# CUDA's runtime is linked in: cuBLAS and the driver are all a machine needs.
$(B)/siam-cuda.so: $(CUDA_OBJ) $(B)/kernels/base.o kernels/cuda/plugin.map
	$(NVCC) -shared -cudart static -o $@ $(filter %.o,$^) -lcublas -Xlinker --version-script=kernels/cuda/plugin.map \
	    -Xlinker -z,defs -Xlinker --as-needed -Xlinker -rpath=$(CUDA_HOME)/lib64

# ptxas tells registers and spills on stderr; kept for the table.
$(B)/%.cu.o: %.cu kernels/cuda/cuda.mk
	@mkdir -p $(@D)
	$(NVCC) $(CUDA_FLAGS) $(CUDA_TARGETS) -MMD -MP -MF $(@:.o=.d) -c -o $@ $< 2>$@.ptxas || { cat $@.ptxas >&2; exit 1; }

$(B)/cuda-registers.txt: $(CUDA_OBJ) tests/cuda-on-cpu/registers
	sh tests/cuda-on-cpu/registers $(CUDA_OBJ:%=%.ptxas) >$@

check-gpu: all $(if $(NVCC),cuda) $(B)/tests/gpu/find_gpu $(filter-out %/test_stand_in,$(ON_CPU_TESTS)) ## everything of the CUDA filling on a real GPU
	@CUDA_HOME=$(CUDA_HOME) sh tests/gpu/check-gpu $(B)

$(B)/tests/gpu/find_gpu: $(B)/tests/gpu/find_gpu.o $(LIB)
	$(CC) -o $@ $^ $(LD_ALL) $(LIBS)

include tests/cuda-on-cpu/cuda-on-cpu.mk
