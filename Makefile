# siam: make builds; make help lists the rest.
#
# B is the build folder (default build; variants get their own, so that objects
# of one never enter another). Sources are found by room: a new file needs no
# line here.

B      ?= build
PREFIX ?= /usr/local
CC     ?= gcc
NVCC   ?= $(shell command -v nvcc 2>/dev/null || ls /usr/local/cuda/bin/nvcc 2>/dev/null)
VERSION := $(shell sed -n 's/^\#define SIAM_VERSION "\(.*\)"/\1/p' kernels/base.h)
SOVERSION := $(firstword $(subst ., ,$(VERSION)))

.DEFAULT_GOAL := all

# ---- what is found --------------------------------------------------------------

PACKAGES := libutf8proc zlib libzip jansson libmd libjpeg libpng libarchive
MISSING  := $(foreach p,$(PACKAGES),$(shell pkg-config --exists $(p) 2>/dev/null || echo $(p)))
ifneq ($(strip $(MISSING)),)
ifeq ($(filter help clean,$(MAKECMDGOALS)),)
$(error not found by pkg-config: $(MISSING). `tools/setup` installs what is missing)
endif
endif

WARN    := -Wall -Wextra -Wshadow -Wconversion
OPT     ?= -O3 -g
CFLAGS  ?= $(OPT)
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -I. $(WARN) -fPIC -pthread -fopenmp-simd -ffp-contract=off \
             -fvisibility=default -MMD -MP $(shell pkg-config --cflags $(PACKAGES)) $(CFLAGS) $(SANITIZE)
LIBS    := $(shell pkg-config --libs $(PACKAGES)) -ldl -lm -pthread
LD_ALL   = $(LDFLAGS) $(SANITIZE)

# One source, several instruction sets: kernels/cpu/*.simd.c is compiled once for
# each of these, and one is chosen when the program starts. Without errno and
# floating-point traps, which nothing here uses, square roots and choices become
# vector instructions; no value changes.
SIMD_FLAGS := -fno-math-errno -fno-trapping-math
ARCH := $(shell $(CC) -dumpmachine | cut -d- -f1)
ifeq ($(ARCH),x86_64)
ISAS := base avx2 avx512
endif
ISAS ?= base
ISA_base   :=
ISA_avx2   := -mavx2 -mfma -ffp-contract=fast
ISA_avx512 := -mavx512f -mavx512vl -mavx512dq -mavx512bw -mfma -mprefer-vector-width=512 -ffp-contract=fast
ISA_avx2x16 := $(ISA_avx2) -Wno-psabi

# ---- files ------------------------------------------------------------------------

ROOMS   := kernels kernels/naive kernels/cpu data tokenize embeddings tfidf siamese
SIMD    := $(wildcard kernels/cpu/*.simd.c)
LIB_SRC := $(filter-out %.simd.c,$(foreach r,$(ROOMS),$(wildcard $(r)/*.c)))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o) $(foreach i,$(ISAS),$(SIMD:%.simd.c=$(B)/%.$(i).o))
MAINS   := $(wildcard tools/siam.c tools/siam-*.c)
TOOL_OBJ := $(patsubst %.c,$(B)/%.o,$(filter-out $(MAINS),$(wildcard tools/*.c)))
BINS    := $(MAINS:tools/%.c=$(B)/bin/%)
LIB     := $(B)/libsiam.a
SO      := $(B)/libsiam.so.$(VERSION)
HEADERS := kernels/base.h kernels/rng.h kernels/backend.h data/data.h data/images.h tokenize/tokenize.h embeddings/embeddings.h \
           tfidf/tfidf.h siamese/siamese.h siamese/images.h siamese/image_model.h siamese/net2net.h

.PHONY: all check check-unit check-cli demo bench asan tsan fuzz install help info clean seed-table cuda check-gpu
.DELETE_ON_ERROR:
.SECONDARY:

all: $(LIB) $(B)/libsiam.so $(BINS) ## build the library and the programs (in build/bin)

-include kernels/cuda/cuda.mk
-include tests/tests.mk

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(SO): $(LIB_OBJ)
	$(CC) -shared -Wl,-soname,libsiam.so.$(SOVERSION) -o $@ $^ $(LD_ALL) $(LIBS)

$(B)/libsiam.so: $(SO)
	ln -sf $(notdir $<) $(B)/libsiam.so.$(SOVERSION)
	ln -sf libsiam.so.$(SOVERSION) $@

$(B)/bin/%: $(B)/tools/%.o $(TOOL_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(CC) -o $@ $(filter %.o,$^) $(LIB) $(LD_ALL) $(LIBS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

define isa_rule
$$(B)/kernels/cpu/%.$(1).o: kernels/cpu/%.simd.c
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_CFLAGS) $$(SIMD_FLAGS) $$(ISA_$(1)) $$(SIMD_CFLAGS) -DKN_ISA=$(1) -c -o $$@ $$<
endef
$(foreach i,$(ISAS) avx2x16,$(eval $(call isa_rule,$(i))))

# ---- other goals ----------------------------------------------------------------------

demo: all ## the whole way on the bundled sample, in under a minute
	@SIAM_BIN=$(B)/bin sh tools/demo

seed-table: all ## PAIRS=pairs VECTORS=store: every variant of the 2017 experiment, beside its figures
	@SIAM_BIN=$(B)/bin sh tools/seed-table "$(PAIRS)" "$(VECTORS)" "$(OWN)"

bench: all ## speed of every op and stage, beside the peers that are installed
	@SIAM_BIN=$(B)/bin sh tests/peers/bench

asan: ## the whole suite under AddressSanitizer and UndefinedBehaviorSanitizer
	$(MAKE) check B=$(B)/asan OPT="-O1 -g" SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"

tsan: ## the unit tests under ThreadSanitizer
	$(MAKE) check-unit B=$(B)/tsan OPT="-O1 -g" SANITIZE="-fsanitize=thread"

install: all ## DESTDIR= PREFIX=: programs, libraries, headers, siam.pc
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/share/siam
	install -m 755 $(BINS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(LIB) $(SO) $(DESTDIR)$(PREFIX)/lib
	ln -sf $(notdir $(SO)) $(DESTDIR)$(PREFIX)/lib/libsiam.so.$(SOVERSION)
	ln -sf libsiam.so.$(SOVERSION) $(DESTDIR)$(PREFIX)/lib/libsiam.so
	for h in $(HEADERS); do install -D -m 644 $$h $(DESTDIR)$(PREFIX)/include/siam/$$h || exit 1; done
	install -m 644 data/sample.csv data/glove-6b-100d-40k.st data/README.md $(DESTDIR)$(PREFIX)/share/siam
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' tools/siam.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/siam.pc
	if [ -f $(B)/siam-cuda.so ]; then install -D -m 755 $(B)/siam-cuda.so $(DESTDIR)$(PREFIX)/lib/siam/siam-cuda.so; fi

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile tests/tests.mk kernels/cuda/cuda.mk tests/cuda-on-cpu/cuda-on-cpu.mk 2>/dev/null | expand -t 24

info: all ## what was found, and how to switch it off
	@sh tools/info "$(CC)" "$(B)" "$(NVCC)"

clean: ## remove the build folder
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
