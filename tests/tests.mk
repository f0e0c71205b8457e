# Tests: every tests/test_*.c is one cmocka program, tests/cli/*.bats drive the
# programs. tests/run counts what ran and fails when that is nothing.

TESTS := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/test_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 600

check: check-unit check-cli ## every test of the library and the programs

check-unit: $(TESTS) all ## the library's tests only
	@SIAM_BIN=$(abspath $(B))/bin SIAM_BUILD=$(B) sh tests/run $(TESTS)

check-cli: all ## the programs' tests only
	@SIAM_BIN=$(abspath $(B))/bin SIAM_BUILD=$(B) sh tests/run $(wildcard tests/cli/*.bats)

# A test that needs a further library says so in a line: LIBS: -lname
$(B)/tests/test_%: $(B)/tests/test_%.o $(B)/tests/support.o $(LIB)
	$(CC) -o $@ $(filter %.o,$^) $(TEST_OBJ_$*) $(LIB) $(LD_ALL) \
	    $$(sed -n 's|^.*LIBS: \(.*\)\*/|\1|p' tests/test_$*.c) $$(pkg-config --libs cmocka) $(LIBS)

# The tests of ops run all copies of the simd files, and one that only they use.
RIGGED := $(addprefix $(B)/tests/test_,ops gradients torch points)
$(RIGGED): $(B)/tests/rig.o $(if $(filter avx2,$(ISAS)),$(SIMD:%.simd.c=$(B)/%.avx2x16.o))

# A library that test_blas opens instead of OpenBLAS.
check-unit: $(B)/tests/fake/libopenblas.so.0
$(B)/tests/fake/libopenblas.so.0: tests/fake_openblas.c
	@mkdir -p $(@D)
	$(CC) -std=c11 $(WARN) -fPIC -shared -o $@ $<

# libFuzzer needs clang; sanitizers find what the parser does wrong.
fuzz: ## libFuzzer on every parser, FUZZ_SECONDS each (600)
	@CC=clang B=$(B)/fuzz sh tests/fuzz/run $(FUZZ_SECONDS) $(FUZZERS)
