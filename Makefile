# SPDX-License-Identifier: Apache-2.0
# One file, no recursion but for variants (test, asan, dist). `make help` lists the targets.
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
VERSION := 0.1.0
BUILD ?= build
PREFIX ?= /usr/local
ARCH := $(shell uname -m)
JOBS := $(shell nproc)
Q := $(if $(V),,@)

# Each flag is probed once: gcc 12 lacks some, arm64 has its own.
WANTED := -Wbidi-chars=any -fstrict-flex-arrays=3 -fstack-clash-protection -fcf-protection=full \
	-mbranch-protection=standard -fno-delete-null-pointer-checks
WARN := -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wimplicit-fallthrough -Wstrict-prototypes \
	-Wmissing-prototypes -Wwrite-strings -Wvla -Wtrampolines -Werror=format-security -Werror=implicit \
	-Werror=incompatible-pointer-types -Werror=int-conversion $(if $(CI),-Werror)
HARDEN := -fstack-protector-strong -fno-strict-overflow -fno-strict-aliasing -fPIE
CPPFLAGS += -D_GNU_SOURCE -DBL_VERSION='"$(VERSION)"' -Ilib -I.
FORTIFY ?= -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
CFLAGS ?= -O2 -g
LDFLAGS += -pie -Wl,-z,relro,-z,now,-z,noexecstack

PKGS := jansson yaml-0.1 libcurl libcrypto libgit2 expat zlib
LIBS ?= $(shell pkg-config --libs $(PKGS)) -lm

LIB_SRC := $(sort $(wildcard lib/*/*.c))
RUNNER_SRC := $(sort $(wildcard runner/*.c))
CLI_SRC := $(sort $(wildcard actions/*.c actions/*/*.c))
TEST_SRC := $(sort $(wildcard tests/unit/test_*.c))
TEST_HELP := $(sort $(filter-out $(TEST_SRC),$(wildcard tests/unit/*.c)))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
BENCH_SRC := $(sort $(wildcard tests/bench/*.c))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
PROGRAMS := $(if $(wildcard actions/branchline.c),$(BUILD)/bin/branchline) \
	$(if $(wildcard runner/runner.c),$(BUILD)/bin/branchline-runner)
TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(TEST_SRC))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SRC))

## make              build/bin/branchline and branchline-runner against the system's libraries
all: $(PROGRAMS)

# The targets below that build through a variant need no compiler before their packages are there.
OUTER := demo test test-unit test-e2e e2e-actions check-asan lint format bench soak dist install clean help deps
ifneq ($(or $(filter-out $(OUTER),$(MAKECMDGOALS)),$(if $(MAKECMDGOALS),,all)),)
-include $(BUILD)/flags.mk
endif
$(BUILD)/flags.mk: Makefile
	@mkdir -p $(@D)
	@printf 'PROBED :=' >$@; for f in $(WANTED); do \
	  if echo 'int main(void){return 0;}' | $(CC) -Werror $$f -x c -c -o /dev/null - 2>/dev/null; \
	  then printf ' %s' "$$f" >>$@; fi; done; echo >>$@
	@sed 's/PROBED :=/flags on:/' $@
# What decides and tells is made small for a release, what moves bytes fast.
SMALL_OBJ = $(filter-out $(BUILD)/obj/lib/aws/transfer%,$(filter $(BUILD)/obj/lib/run/% \
	$(BUILD)/obj/lib/aws/% $(BUILD)/obj/actions/%,$@))
ALL_CFLAGS = -std=c17 $(CFLAGS) $(if $(SMALL_OBJ),$(SMALL)) $(WARN) $(HARDEN) $(PROBED) $(FORTIFY) $(EXTRA)

$(BUILD)/obj/%.o: %.c $(BUILD)/flags.mk
	@mkdir -p $(@D)
	@$(if $(Q),echo "  cc    $<")
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libbranchline.a: $(call obj,$(LIB_SRC))
	$(Q)rm -f $@ && $(AR) rcsD $@ $^

COMMIT ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
MAINS := $(call obj,actions/branchline.c runner/runner.c)
$(MAINS): CPPFLAGS += -DBL_COMMIT='"$(COMMIT)"'
$(MAINS): $(BUILD)/commit
$(BUILD)/commit: FORCE
	@mkdir -p $(@D); echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' >$@

# link,WHAT: $@ from the objects and archives it depends on
link = @$(if $(Q),echo "  link  $@"); mkdir -p $(@D); \
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(1) -o $@ $(filter %.o %.a,$^) $(2) $(LIBS)

$(BUILD)/bin/branchline: $(call obj,$(CLI_SRC)) $(BUILD)/libbranchline.a
	$(call link)
$(BUILD)/bin/branchline-runner: $(call obj,$(RUNNER_SRC)) $(BUILD)/libbranchline.a
	$(call link)

# Unit tests see the runner's and the verbs' parts, but not their mains.
PARTS := $(filter-out runner/runner.c actions/branchline.c,$(RUNNER_SRC) $(CLI_SRC))
$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(call obj,$(TEST_HELP) $(PARTS)) $(BUILD)/libbranchline.a
	$(call link,$(TEST_LDFLAGS),-lcmocka)
unit-tests: $(TESTS) $(PROGRAMS)

# With FUZZ=libfuzzer (clang) a real fuzzer; else a program that replays seeds and mutates them.
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o \
		$(if $(filter libfuzzer,$(FUZZ)),,$(BUILD)/obj/tests/fuzz/replay.o) $(BUILD)/libbranchline.a
	$(call link,$(FUZZ_LDFLAGS))
fuzzers: $(FUZZERS)

$(BUILD)/bench/s3_server: $(BUILD)/obj/tests/bench/s3/replies.o
$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(BUILD)/libbranchline.a
	$(call link)
bench-tools: $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(BENCH_SRC))

# --- Variants: each in a folder of its own ----------------------------------------------------

variant = +@$(MAKE) --no-print-directory -j$(JOBS)
# Failpoints are compiled into test builds only.
TEST_VARIANT := BUILD=build/test EXTRA=-DBL_TESTING
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
ASAN_VARIANT := BUILD=build/asan EXTRA=-DBL_TESTING FORTIFY= CFLAGS="-O1 -g $(SANITIZE)" \
	TEST_LDFLAGS="-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc"
ROOT := $(CURDIR)/build/deps/root
DIST := build/dist/linux-$(ARCH)
DIST_VARIANT := BUILD=build/dist/obj CC=scc FORTIFY= SMALL=-Os \
	CFLAGS="-O2 -g0 -ffunction-sections -fdata-sections -ftrivial-auto-var-init=zero \
	-fno-unwind-tables -fno-asynchronous-unwind-tables -ffile-prefix-map=$(CURDIR)=. \
	-isystem $(ROOT)/include -DYAML_DECLARE_STATIC -DCURL_STATICLIB -DXML_STATIC" \
	LDFLAGS="-static-pie -s -Wl,--gc-sections,-z,relro,-z,now,-z,noexecstack,--build-id=none" \
	LIBS="-L$(ROOT)/lib -lcurl -lgit2 -lhttp_parser -lz -ljansson -lyaml -lexpat -lssl -lcrypto -lm"
BIN ?= build/test/bin
PYTEST_ARGS ?=

## make demo         train for real, twice and once resumed; look at the report
demo:
	@tools/deps.sh build demo
	$(variant) all
	@tools/demo.sh

## make test         every test, with all the set-up that they need
test:
	@tools/deps.sh build test
	@tools/venv.sh && tools/peers.sh act crane registry mermaid cmarkgfm
	$(variant) $(TEST_VARIANT) unit-tests
	@tools/test.sh --unit build/test/tests --e2e build/test/bin $(PYTEST_ARGS)

## make test-unit    the unit tests alone
test-unit:
	@tools/deps.sh build test
	$(variant) $(TEST_VARIANT) unit-tests
	@tools/test.sh --unit build/test/tests

## make test-e2e     the end-to-end tests alone; BIN=FOLDER: on those programs
test-e2e:
	@tools/deps.sh build test
	@tools/venv.sh
	@$(if $(filter build/test/bin,$(BIN)),$(MAKE) --no-print-directory -j$(JOBS) $(TEST_VARIANT) all)
	@tools/test.sh --e2e $(BIN) $(PYTEST_ARGS)

## make e2e-actions  the real workflows from the label to the comment; prints their story
e2e-actions:
	@tools/deps.sh build test
	@tools/venv.sh && tools/peers.sh act mermaid cmarkgfm
	$(variant) $(TEST_VARIANT) all
	@BRANCHLINE_STORY=$(CURDIR)/build/story tools/test.sh --e2e build/test/bin -k test_flow_train
	@cat build/story/*.txt

## make check-asan   unit tests, fuzzers' seeds and a sample of the rest under ASan and UBSan
check-asan:
	@tools/deps.sh build test
	@tools/venv.sh
	$(variant) $(ASAN_VARIANT) unit-tests fuzzers
	@tools/fuzz.sh replay build/asan/fuzz
	@tools/test.sh --unit build/asan/tests --e2e build/asan/bin -m sample $(PYTEST_ARGS)

## make lint         format, layers, banned calls, static analysis; make format lays out anew
lint:
	@tools/deps.sh build lint
	@tools/peers.sh actionlint zizmor
	$(variant) all
	@tools/lint.sh
format:
	@tools/deps.sh lint
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format-14 -i

## make bench        start-up, capture, quiet cost, report, S3, images, a launch; with peers
bench: dist
	@tools/deps.sh bench && tools/venv.sh bench && tools/peers.sh crane
	+@PATH=$(ROOT)/bin:$$PATH $(MAKE) --no-print-directory $(DIST_VARIANT) bench-tools
	@for part in run s3 image launch; do tests/bench/$$part.py $(DIST) build/dist/obj/bench || exit; done

## make soak         what takes long: full counts, fuzzers, reproducible dist
soak:
	@tools/deps.sh build test dist fuzz
	@tools/venv.sh && tools/peers.sh act minio crane registry mermaid
	$(variant) $(TEST_VARIANT) unit-tests
	@SOAK=1 tools/test.sh --unit build/test/tests --e2e build/test/bin $(PYTEST_ARGS)
	@tools/fuzz.sh libfuzzer
	@tools/check-reproducible.sh

## make dist         static musl programs for release, in build/dist/
dist:
	@tools/deps.sh build dist
	@tools/dist-libs.sh build/deps
	+@PATH=$(ROOT)/bin:$$PATH $(MAKE) --no-print-directory -j$(JOBS) $(DIST_VARIANT) all
	@tools/dist.sh build/dist/obj/bin $(DIST)

## make install      into $(DESTDIR)$(PREFIX)/bin
install:
	$(variant) all
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin

## make deps         the packages for building (tools/deps.sh test lint dist: the others')
deps:
	@tools/deps.sh build
## make clean        remove build/ but libraries and tools that take long to make
clean:
	rm -rf $(filter-out build/deps build/venv build/tools,$(wildcard build/*))

help:
	@sed -n 's/^## //p' Makefile

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
.PHONY: FORCE all unit-tests fuzzers bench-tools $(OUTER)
.SECONDARY:
