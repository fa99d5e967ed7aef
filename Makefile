# SPDX-License-Identifier: Apache-2.0
# One file, no recursion. `make help` lists the targets.
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

VERSION := 0.1.0
BUILD ?= build
PREFIX ?= /usr/local
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

PKGS := jansson yaml-0.1 libcrypto libgit2
LIBS ?= $(shell pkg-config --libs $(PKGS))

LIB_SRC := $(sort $(wildcard lib/*/*.c))
RUNNER_SRC := $(sort $(wildcard runner/*.c))
CLI_SRC := $(sort $(wildcard actions/*.c actions/*/*.c))
TEST_SRC := $(sort $(wildcard tests/unit/test_*.c))
TEST_HELP := $(sort $(filter-out $(TEST_SRC),$(wildcard tests/unit/*.c)))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
PROGRAMS := $(BUILD)/bin/branchline $(BUILD)/bin/branchline-runner
TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(TEST_SRC))

all: $(PROGRAMS)

$(BUILD)/flags.mk:
	@mkdir -p $(@D)
	@printf 'PROBED :=' >$@; for f in $(WANTED); do \
	  if echo 'int main(void){return 0;}' | $(CC) -Werror $$f -x c -c -o /dev/null - 2>/dev/null; \
	  then printf ' %s' "$$f" >>$@; fi; done; echo >>$@
	@sed 's/PROBED :=/flags on:/' $@
ifeq ($(filter clean help deps,$(MAKECMDGOALS)),)
-include $(BUILD)/flags.mk
endif
ALL_CFLAGS = -std=c17 $(CFLAGS) $(WARN) $(HARDEN) $(PROBED) $(FORTIFY) $(EXTRA)

$(BUILD)/obj/%.o: %.c $(BUILD)/flags.mk
	@mkdir -p $(@D)
	@$(if $(Q),echo "  cc    $<")
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libbranchline.a: $(call obj,$(LIB_SRC))
	$(Q)rm -f $@ && $(AR) rcsD $@ $^

link = @$(if $(Q),echo "  link  $@"); mkdir -p $(@D); $(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LIBS)

$(BUILD)/bin/branchline: $(call obj,$(CLI_SRC)) $(BUILD)/libbranchline.a
	$(link)
$(BUILD)/bin/branchline-runner: $(call obj,$(RUNNER_SRC)) $(BUILD)/libbranchline.a
	$(link)

# Unit tests see the runner's and the verbs' parts, but not their mains.
PARTS := $(filter-out runner/runner.c actions/branchline.c,$(RUNNER_SRC) $(CLI_SRC))
$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(call obj,$(TEST_HELP) $(PARTS)) $(BUILD)/libbranchline.a
	@$(if $(Q),echo "  link  $@"); mkdir -p $(@D); $(CC) $(ALL_CFLAGS) $(LDFLAGS) $(TEST_LDFLAGS) -o $@ $(filter %.o %.a,$^) -lcmocka $(LIBS)

unit-tests: $(TESTS) $(PROGRAMS)

# Failpoints are compiled into this variant only.
TEST_MAKE = $(MAKE) --no-print-directory BUILD=build/test EXTRA=-DBL_TESTING

test-unit:
	@$(TEST_MAKE) unit-tests
	@set -e; for t in build/test/tests/test_*; do case $$t in *.*) ;; *) $$t;; esac; done

clean:
	rm -rf build

help:
	@sed -n 's/^## //p' Makefile

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
.PHONY: all unit-tests test-unit clean help
.SECONDARY:
