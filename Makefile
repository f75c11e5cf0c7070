# SPDX-License-Identifier: GPL-2.0-or-later
#
# One file builds everything; sources are found by name, nothing is listed twice.
#
#   user/**.c           the program; all but cli/main.c also goes into .output/libholdfast.a
#   bpf/*.bpf.c         one BPF object, embedded through .output/gen/holdfast.skel.h
#   user/**/web/*       embedded files: hf_asset_NAME_start, hf_asset_NAME_end (scripts/embed.S)
#   INSTALLED_WEB       likewise, from where Debian's packages put them
#   tests/DIR/test_*.c  one cmocka program each, linked with the archive (DIR: unit bpfcore load)
#   tests/e2e/lib/*.c   programs that end-to-end tests drive, linked with the archive
#   tests/fuzz/fuzz_*.c one libFuzzer program each
#   tests/targets/, tests/scenarios/  programs to look at (tests/targets/build.sh)
#
# Variants of the archive and the tests: .output (gcc), .output/asan, .output/tsan (gcc), .output/fuzz (clang).
# A test's first lines may carry "build: FLAGS" (more flags, such as -Wl,--wrap=malloc).
#
# V=1 shows commands. DEV=1 makes warnings errors; it is the default in a git checkout with the
# compiler that the project is developed with, so that another compiler's new warnings stop nobody.

VERSION := 0.1
PREFIX ?= /usr/local
O := .output
export PATH := $(PATH):/usr/sbin:/sbin
SHELL := /bin/sh
CC := gcc
CXX := g++
CLANG := clang
PYTHON := /usr/bin/python3
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
DEV ?= $(if $(wildcard .git),$(filter 12,$(shell $(CC) -dumpversion 2>/dev/null)))

ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-builtin-rules --no-print-directory
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-8s %s\n' '$(1)' '$(patsubst $(O)/%,%,$(2))')

# Flags
WARN := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wpointer-arith \
	-Wwrite-strings -Wold-style-definition -Wshadow $(if $(filter-out 0,$(DEV)),-Werror)
COMMON := -std=gnu11 -g -D_GNU_SOURCE -DHF_VERSION='"$(VERSION)"' -Iuser -Iinclude -Ibpf -I$(O)/gen \
	-ffile-prefix-map=$(CURDIR)=. -MMD -MP $(WARN)
BANNED := $(addprefix -include ,$(wildcard user/base/banned.h))
HARDEN := -O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2
ASAN := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
TSAN := -O1 -fno-omit-frame-pointer -fsanitize=thread
FUZZING := $(ASAN) -fsanitize=fuzzer-no-link
BPFFLAGS := -target bpf -mcpu=v3 -O2 -g -D__TARGET_ARCH_x86 -Iinclude -Ibpf \
	-I/usr/include/$(MULTIARCH) -ffile-prefix-map=$(CURDIR)=. -MMD -MP -Wall -Wextra \
	$(filter -Werror,$(WARN))
PKGS := libbpf libelf libdw zlib libzstd libxxhash jansson yaml-0.1 ncursesw libcap liblzma \
	libmicrohttpd sqlite3 libcurl libseccomp
LDLIBS = $(eval LDLIBS := -Wl,--as-needed $(shell pkg-config --libs $(PKGS)) -lZydis -liberty \
	-lm -pthread)$(LDLIBS)
LDFLAGS := -Wl,-z,relro,-z,now
# $(call flags_in,FILE): the words after "build:" in its first lines
flags_in = $(shell sed -n '1,12s|^[ /*]*build:\([^*]*\).*|\1|p' $(1))

# Sources
USER_C := $(sort $(shell find user -name '*.c' 2>/dev/null))
LIB_C := $(filter-out user/cli/main.c,$(USER_C))
# The agent's page stands on these; the notices are shown there. .../PACKAGE/copyright is named PACKAGE_copyright.
INSTALLED_WEB := /usr/share/javascript/dygraphs/dygraph.min.css /usr/share/javascript/dygraphs/dygraph.min.js \
	/usr/lib/nodejs/mithril/mithril.js \
	$(addsuffix /copyright,$(addprefix /usr/share/doc/,libjs-dygraphs libzydis-dev node-mithril))
# Printed by the program, and installed.
EXAMPLES := user/config/assistant.yaml
WEB := $(sort $(shell find user -path '*/web/*' \( -name '*.html' -o -name '*.css' -o -name '*.js' -o -name '*.svg' \) \
	2>/dev/null)) $(INSTALLED_WEB) LICENSE $(EXAMPLES)
# The definer of the maps comes first: bpftool 7.1 leaves a variable that it met as extern at offset 0.
BPF_C := $(wildcard bpf/maps.bpf.c) $(filter-out bpf/maps.bpf.c,$(sort $(wildcard bpf/*.bpf.c)))
UNIT_C := $(sort $(wildcard tests/unit/test_*$(T)*.c tests/bpfcore/test_*$(T)*.c))
TSAN_C := $(filter tests/unit/test_base_mailbox% %_threads.c,$(UNIT_C))
LOAD_C := $(sort $(wildcard tests/load/test_*$(T)*.c))
FUZZ_C := $(sort $(wildcard tests/fuzz/fuzz_*.c))
ROOT_BATS := $(sort $(wildcard tests/e2e/*$(T)*.bats tests/load/*$(T)*.bats))
# Figures of time, which other work on the machine changes: these run when all else is over. All others look at exact
# counts, and at what is said; those that take longest begin.
LONE := $(filter $(foreach x,budget budget_full bench cost kernel python_pauses,tests/e2e/$(x).bats),$(ROOT_BATS)) \
	$(filter $(O)/tests/load/test_calibrate,$(LOAD_C:%.c=$(O)/%))
SIDE := $(foreach x,truth python allocators cli survival agent agent_fire send,$(filter tests/e2e/$(x).bats,$(ROOT_BATS)))
SIDE += $(wildcard tests/e2e/test_*$(T)*.sh)
SIDE += $(filter-out $(LONE) $(SIDE),$(LOAD_C:%.c=$(O)/%) $(ROOT_BATS))
USER_BATS := $(filter-out $(ROOT_BATS) tests/e2e/% tests/load/%,$(sort $(wildcard tests/*/*$(T)*.bats)))
WEB_TESTS := $(sort $(wildcard tests/web/test_*$(T)*.sh))

# Products
name_of = $(subst +,_,$(subst -,_,$(subst .,_,$(notdir $(1:%/copyright=%_copyright)))))
ASSETS := $(foreach w,$(WEB),$(O)/asset/$(call name_of,$(w)).o)
SKEL := $(if $(BPF_C),$(O)/gen/holdfast.skel.h)
UNIT := $(UNIT_C:%.c=$(O)/%)
UNIT_ASAN := $(UNIT_C:%.c=$(O)/asan/%)
UNIT_TSAN := $(TSAN_C:%.c=$(O)/tsan/%)
LOAD := $(LOAD_C:%.c=$(O)/%)
DRIVERS := $(patsubst %.c,$(O)/%,$(wildcard tests/e2e/lib/*.c))
FUZZERS := $(FUZZ_C:%.c=$(O)/fuzz/%)
BENCH := $(patsubst %.c,$(O)/%,$(wildcard tests/bench/*.c))
GOLDEN := $(patsubst %.c,$(O)/%,$(wildcard tests/golden/*.c))
PROGRAM := $(if $(wildcard user/cli/main.c),holdfast)
GENERATED := $(addprefix $(O)/gen/,holdfast.1 holdfast.bash config.schema.json)

all: $(PROGRAM) $(O)/libholdfast.a $(GENERATED)        ## build ./holdfast
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all FORCE help clean

holdfast: $(USER_C:%.c=$(O)/%.o) $(ASSETS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# $(call variant,DIR,COMPILER,FLAGS,SOURCES): objects, archive of SOURCES and test programs in one flavour
define variant
$(1)/%.o: %.c Makefile $(wildcard user/base/banned.h)
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$(Q)$(2) $(COMMON) $(3) $$(if $$(filter user/%,$$<),$(BANNED),-Itests \
		-Wno-missing-prototypes -Wno-unknown-pragmas $$(filter-out -l% -Wl%,$$(call flags_in,$$<))) -c -o $$@ $$<
$(addprefix $(1)/,$(patsubst %.c,%.o,$(filter user/capture/probe/%,$(4)) $(LOAD_C))): | $(SKEL)
$(1)/libholdfast.a: $(4:%.c=$(1)/%.o) $(ASSETS) $(O)/sources
	$$(call say,AR,$$@)
	@mkdir -p $$(@D)
	$(Q)rm -f $$@; ar rcsD $$@ $$(filter %.o,$$^)
$(1)/tests/%: $(1)/tests/%.o $(1)/libholdfast.a
	$$(call say,LINK,$$@)
	$(Q)$(2) $(3) -o $$@ $$^ $$(filter -l% -Wl%,$$(call flags_in,$$(<:$(1)/%.o=%.c))) \
		$$(if $$(findstring /fuzz_,$$@),-fsanitize=fuzzer,-lcmocka) $$(LDLIBS)
endef
$(eval $(call variant,$(O),$(CC),$(HARDEN),$(LIB_C)))
$(eval $(call variant,$(O)/asan,$(CC),$(ASAN),$(LIB_C)))
$(eval $(call variant,$(O)/tsan,$(CC),$(TSAN),$(filter user/base/%,$(LIB_C))))
$(eval $(call variant,$(O)/fuzz,$(CLANG),$(FUZZING),$(filter-out user/cli/% $(filter-out user/agent/http/% \
	user/agent/store/%,$(filter user/agent/%,$(LIB_C))),$(LIB_C))))

# An archive must also be made anew when a source disappears.
$(O)/sources: FORCE
	@mkdir -p $(@D); echo '$(LIB_C) $(WEB)' | cmp -s - $@ || echo '$(LIB_C) $(WEB)' >$@

# BPF
$(O)/bpf/%.bpf.o: bpf/%.bpf.c Makefile
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPFFLAGS) -c -o $@ $<
$(O)/holdfast.bpf.o: $(BPF_C:%.c=$(O)/%.o)
	$(call say,BPFLINK,$@)
	$(Q)bpftool gen object $@ $^
$(O)/gen/holdfast.skel.h: $(O)/holdfast.bpf.o
	$(call say,SKEL,$@)
	@mkdir -p $(@D)
	$(Q)bpftool gen skeleton $< name holdfast_bpf >$@

# Generated from the tables of settings: the file's name tells the generator what to print.
TABLES := user/config/options.def user/config/records.def user/config/words.def
$(GENERATED): $(O)/gen/%: $(TABLES) scripts/gen-options.awk user/man/holdfast.1.in
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)awk -v output=$* -f scripts/gen-options.awk $(TABLES) >$@

define asset
$(O)/asset/$(call name_of,$(1)).o: $(1) scripts/embed.S
	$$(call say,EMBED,$(1))
	@mkdir -p $$(@D)
	$(Q)$(CC) -c -DHF_NAME=$(call name_of,$(1)) -DHF_FILE='"$(1)"' -o $$@ scripts/embed.S
endef
$(foreach w,$(WEB),$(eval $(call asset,$(w))))

# Programs to look at: the script knows which are up to date. .output/targets/NAME builds one.
.PHONY: targets built-scenarios
targets:
	$(Q)$(if $(wildcard tests/targets/build.sh),tests/targets/build.sh $(O)/targets)
built-scenarios:
	$(Q)tests/targets/build.sh --from scenarios $(O)/scenarios
$(O)/targets/%: FORCE
	$(Q)tests/targets/build.sh $(O)/targets $*

# Checks. What is to be built is built as the tree's owner, even under sudo; only run-tests.sh's second list
# needs root, and is skipped with the reason where there is none. T=WORD narrows the tests.
STYLE := scripts/selftest.sh scripts/check-style.sh
REPLAY := $(if $(FUZZERS),scripts/fuzz.sh)
OWNER := scripts/as-owner.sh
# Those that take longest first: two run at once.
NO_ROOT := $(USER_BATS) $(UNIT_ASAN) $(UNIT) $(UNIT_TSAN) $(REPLAY)
.PHONY: bootstrap check check-style check-unit check-web check-root built-style built-unit built-root
built-style: $(O)/libholdfast.a $(UNIT_C:%.c=$(O)/%.o) $(FUZZ_C:%.c=$(O)/fuzz/%.o) $(LOAD_C:%.c=$(O)/%.o)
built-unit: all $(GOLDEN) $(UNIT) $(UNIT_ASAN) $(UNIT_TSAN) $(FUZZERS)
built-root: all $(LOAD) $(DRIVERS) $(BENCH) targets built-scenarios
bootstrap:
	@scripts/bootstrap.sh build test
	@scripts/bootstrap.sh browser || echo 'bootstrap: tests of the page in a browser will be skipped'
	@scripts/bootstrap.sh engines || echo 'bootstrap: tests with ClickHouse, Alertmanager and promtool will be skipped'
check: bootstrap                                       ## everything below, one line of counts (sudo)
	@$(OWNER) $(MAKE) $(if $(V),,-s) built-root
	+@BUILD='nice -n 5 $(OWNER) $(MAKE) $(if $(V),,-s) built-style built-unit' \
		scripts/run-tests.sh $(WEB_TESTS) $(STYLE) $(NO_ROOT) -- $(LONE) -- $(SIDE)
check-style:                                           ## layers, headers, sizes, globals, format, tidy
	@$(OWNER) $(MAKE) $(if $(V),,-s) built-style
	@scripts/run-tests.sh $(STYLE)
check-unit:                                            ## unit tests, also under sanitizers; fuzz corpora
	@$(OWNER) $(MAKE) $(if $(V),,-s) built-unit
	@scripts/run-tests.sh $(NO_ROOT)
check-web:                                             ## the HTML pages, in a browser if there is one
	@$(OWNER) $(MAKE) $(if $(V),,-s) all
	@scripts/run-tests.sh $(WEB_TESTS)
check-root:                                            ## load and end-to-end tests (sudo)
	@$(OWNER) $(MAKE) $(if $(V),,-s) built-root
	@scripts/run-tests.sh -- $(LONE) -- $(SIDE)

# Longer work, on demand
export FUZZ_SECONDS ?= 60
.PHONY: hunt fuzz lint install dist
hunt:                                                  ## hunt the bundled leaky server, or PID=… (sudo)
	@scripts/bootstrap.sh build
	@$(OWNER) $(MAKE) $(if $(V),,-s) all $(if $(PID),,$(O)/targets/leaky_server)
	@scripts/hunt.sh $(PID)
fuzz: $(if $(FUZZ),$(filter %/fuzz_$(FUZZ),$(FUZZERS)),$(FUZZERS))
	$(Q)scripts/fuzz.sh run $^
lint: built-style                                      ## clang-tidy with the analyzer
	$(Q)scripts/check-tidy.sh --analyzer
# bench, scenarios, estimates, fit-verdict, soak, survive, kernel-matrix: each is one script of that name
EXTRA := $(sort $(basename $(notdir $(wildcard $(foreach x,bench scenarios estimates fit-verdict soak survive kernel-matrix,\
	scripts/$(x).py scripts/$(x).sh)))))
.PHONY: $(EXTRA)
bench:                                                 ## what tracing costs, paired runs (sudo)
scenarios:                                             ## leaks and what looks like one, hunted (sudo)
estimates:                                             ## what windows estimate, against what is counted (sudo)
fit-verdict:                                           ## weights of the verdict, from the scenarios
soak:                                                  ## killed 1000 times, and the agent for 2 h (ARGS='agent 15'; sudo)
survive:                                               ## the agent under fire for 25 minutes (sudo)
kernel-matrix:                                         ## boot kernels 6.1 and 6.12 in qemu, check-root there
$(EXTRA):
	@$(OWNER) $(MAKE) $(if $(V),,-s) built-root
	@$(if $(wildcard scripts/$@.py),$(PYTHON) scripts/$@.py,scripts/$@.sh) $(ARGS)

install: all                                           ## to $(DESTDIR)$(PREFIX)
	install -Dm755 holdfast $(DESTDIR)$(PREFIX)/bin/holdfast
	install -Dm644 $(O)/gen/holdfast.1 $(DESTDIR)$(PREFIX)/share/man/man1/holdfast.1
	install -Dm644 $(O)/gen/holdfast.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/holdfast
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/doc/holdfast/examples $(EXAMPLES)
	install -Dm644 $(O)/gen/config.schema.json $(DESTDIR)$(PREFIX)/share/holdfast/config.schema.json
	sed 's|/usr/local|$(PREFIX)|' scripts/holdfast.service | \
		install -Dm644 /dev/stdin $(DESTDIR)$(PREFIX)/lib/systemd/system/holdfast.service
dist:                                                  ## holdfast-VERSION.tar.gz of HEAD
	@mkdir -p $(O)
	$(OWNER) git archive --prefix=holdfast-$(VERSION)/ HEAD | gzip -n9 >$(O)/holdfast-$(VERSION).tar.gz
clean:
	rm -rf $(O) holdfast
help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18
	$(if $(FUZZERS),@echo '  fuzz            FUZZ_SECONDS=60 FUZZ=name')

-include $(shell find $(O) -name '*.d' 2>/dev/null)
