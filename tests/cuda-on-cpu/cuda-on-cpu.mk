# kernels/cuda compiled with g++ against the stand-in for CUDA beside this file:
# the same sources, run on the CPU by the same tests as the other fillings.

ON_CPU     := tests/cuda-on-cpu
ON_CPU_ALL := $(patsubst %.cpp,$(B)/cuda-on-cpu/%.o,$(wildcard $(ON_CPU)/*.cpp))
ON_CPU_OBJ := $(filter-out %/test_stand_in.o,$(ON_CPU_ALL))
ON_CPU_CUDA := $(patsubst %.cu,$(B)/cuda-on-cpu/%.o,$(wildcard kernels/cuda/*.cu))
ON_CPU_FLAGS = -std=c++17 $(OPT) -fPIC -fvisibility=hidden $(WARN) -fsanitize-sections=cuda_shared -I. -I$(ON_CPU) \
               -MMD -MP $(SANITIZE)
ON_CPU_TESTS := $(B)/cuda-on-cpu/test_stand_in $(B)/tests/gpu/test_gpu \
                $(foreach t,points gradients torch ops,$(B)/tests/test_$t)
ON_CPU_SEEDS ?= 0 1

check-cuda-on-cpu: ## kernels/cuda on a stand-in for CUDA, no GPU needed, under ASan and UBSan
	$(MAKE) run-cuda-on-cpu B=$(B)/asan OPT="-O1 -g" \
	    SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"

# Every seed is another order of threads and blocks.
.PHONY: check-cuda-on-cpu run-cuda-on-cpu
run-cuda-on-cpu: $(B)/siam-cuda-on-cpu.so $(ON_CPU_TESTS)
	@for seed in $(ON_CPU_SEEDS); do \
	    echo "order of threads: $$seed"; \
	    SIAM_CUDA_SHUFFLE=$$seed SIAM_CUDA_PLUGIN=$(abspath $<) sh tests/run $(ON_CPU_TESTS) || exit 1; done

$(B)/siam-cuda-on-cpu.so: $(ON_CPU_OBJ) $(ON_CPU_CUDA) $(B)/kernels/base.o
	$(CXX) -shared -o $@ $^ $(SANITIZE) -Wl,-z,defs

$(B)/cuda-on-cpu/test_stand_in: $(ON_CPU_ALL)
	$(CXX) -o $@ $^ $(SANITIZE) $$(pkg-config --libs cmocka)

$(B)/cuda-on-cpu/%.o: %.cu
	@mkdir -p $(@D)
	$(CXX) $(ON_CPU_FLAGS) -x c++ -c -o $@ $<

$(B)/cuda-on-cpu/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(ON_CPU_FLAGS) -c -o $@ $<

# What only the CUDA filling can be asked, on a GPU or on the stand-in.
$(B)/tests/gpu/test_gpu: $(B)/tests/gpu/test_gpu.o $(B)/tests/support.o $(LIB)
	$(CC) -o $@ $(filter %.o,$^) $(LIB) $(LD_ALL) $$(pkg-config --libs cmocka) $(LIBS)
