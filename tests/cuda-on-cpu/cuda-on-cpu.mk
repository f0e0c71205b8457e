# kernels/cuda compiled with g++ against the stand-in for CUDA beside this file:
# the same sources, run on the CPU by the same tests as the other fillings.

ON_CPU     := tests/cuda-on-cpu
ON_CPU_OBJ := $(patsubst %.cu,$(B)/cuda-on-cpu/%.o,$(wildcard kernels/cuda/*.cu)) \
              $(patsubst %.cpp,$(B)/cuda-on-cpu/%.o,$(wildcard $(ON_CPU)/*.cpp))
ON_CPU_FLAGS = -std=c++17 $(OPT) -fPIC -fvisibility=hidden -Wall -Wextra -Wshadow -Wconversion -fsanitize-sections=cuda_shared -I. -I$(ON_CPU) -MMD -MP $(SANITIZE)

$(B)/siam-cuda-on-cpu.so: $(ON_CPU_OBJ) $(B)/kernels/base.o
	$(CXX) -shared -o $@ $^ $(SANITIZE) -Wl,-z,defs

$(B)/cuda-on-cpu/%.o: %.cu
	@mkdir -p $(@D)
	$(CXX) $(ON_CPU_FLAGS) -x c++ -c -o $@ $<

$(B)/cuda-on-cpu/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(ON_CPU_FLAGS) -c -o $@ $<
