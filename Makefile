# SPDX-License-Identifier: GPL-2.0-only
#
# make help says what there is. Output is in build/ (build/san/ with SAN=1, build/fuzz/ with FUZZ=1) alone.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VERSION := 0.1.0
PREFIX  ?= /usr/local
DESTDIR ?=

CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool) bpftool)
CFLAGS  ?= -O2 -g

# Fuzzers are clang's, with all that they are linked with.
ifdef FUZZ
CC      := $(CLANG)
endif

B := build$(if $(SAN),/san)$(if $(FUZZ),/fuzz)
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s%s\n' '$(1)' '$(2)')

PACKAGES := libbpf libelf zlib libmnl lua5.4 jansson yajl libnftables
# Asked for once a run, and not at all where nothing is built (make help, make setup on a bare machine).
package_cflags = $(eval package_cflags := $$(shell pkg-config --cflags $(PACKAGES)))$(package_cflags)
package_libs   = $(eval package_libs := $$(shell pkg-config --libs $(PACKAGES) | sed 's/-llua5.4//'))$(package_libs)

WARNINGS := -Wall -Wextra -Werror -Wformat=2 -Wmissing-prototypes -Wshadow -Wpointer-arith -Wstrict-prototypes \
	-Wno-missing-field-initializers
# They are for gcc, which compiles all of this first.
ifdef FUZZ
WARNINGS := -w
endif
comma    := ,
SANITIZE := $(if $(SAN)$(FUZZ),-fsanitize=address$(comma)undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined) \
	$(if $(FUZZ),-fsanitize=fuzzer-no-link)
# Every object is fit for both the command and the Lua module; only luaopen_provium is to be seen from outside.
ALL_CFLAGS = $(CFLAGS) -std=gnu11 -D_GNU_SOURCE -DPROVIUM_VERSION='"$(VERSION)"' -fPIC -fvisibility=hidden \
	-Iinclude -Isrc -I$(B) $(package_cflags) $(WARNINGS) $(SANITIZE)
# -l:liblua5.4.a for the command alone: the module takes Lua from the interpreter that loads it.
LIBS = $(package_libs) -lpthread -lm

SOURCES   := $(shell find src -name '*.c' ! -path 'src/init/*' | LC_ALL=C sort)
OBJECTS   := $(SOURCES:%.c=$(B)/%.o)
CLI       := $(filter $(B)/src/cli/%,$(OBJECTS))
LIBRARY   := $(filter-out $(CLI),$(OBJECTS))
LUA_FILES := $(shell find lua -name '*.lua' ! -path 'lua/examples/*' | LC_ALL=C sort)
EMBEDDED  := $(B)/lua.o $(B)/node_init.o
BPF_FILES := $(wildcard bpf/*.c bpf/*.h) include/provium/wire.h

all: $(B)/provium $(B)/provium.so ## the command build/provium and the Lua module build/provium.so

$(B)/provium: $(OBJECTS) $(EMBEDDED)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANITIZE) -o $@ $^ $(LIBS) -llua5.4 -ledit $(LDFLAGS)

$(B)/provium.so: $(LIBRARY) $(EMBEDDED)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANITIZE) -shared -o $@ $^ $(LIBS) $(LDFLAGS)

$(B)/%.o: %.c | $(B)/wire.skel.h $(B)/lua_modules.h
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The Lua files are a part of the command, so that it works from any place.
$(B)/lua.o: $(LUA_FILES)
	$(call say,EMBED,$@)
	$(Q)mkdir -p $(@D)
	$(Q)ld -r -b binary -z noexecstack -o $@ $^

# Process 1 of namespace nodes: static, for a node has the libraries of its own root.
$(B)/node_init: $(wildcard src/init/*.[ch] src/node/netns/report.[ch] src/node/netns/drop.[ch] src/node/netns/protocol.h) src/util/clock.c src/util/error.c src/util/fork.c src/util/limits.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -std=gnu11 -D_GNU_SOURCE -Isrc $(WARNINGS) -static -s -o $@ $(filter %.c,$^)

$(B)/node_init.o: $(B)/node_init
	$(call say,EMBED,$@)
	$(Q)cd $(@D) && ld -r -b binary -z noexecstack -o $(@F) $(<F)

# A line MODULE("report.tap", report_tap_lua) for each of them; ld makes the symbols from the paths in the same way.
$(B)/lua_modules.h: $(LUA_FILES)
	$(Q)mkdir -p $(@D)
	$(Q)for file in $(LUA_FILES:lua/%.lua=%); do \
		echo "MODULE(\"$$(echo $$file | tr / .)\", $$(echo $${file}_lua | tr -c 'a-zA-Z0-9\n' _))"; done >$@

# The second one is the program with the clock of a test. -g: BTF, by which bpftool names every field. The stack bound is the kernel's.
$(B)/wire.bpf.o: bpf/wire.bpf.c
$(B)/tests/wire/clocked.bpf.o: tests/wire/clocked.bpf.c
$(B)/wire.bpf.o $(B)/tests/wire/clocked.bpf.o:
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Iinclude \
		-idirafter /usr/include/$(shell uname -m)-linux-gnu -MMD -MP -MT $@ -MF $(@:.o=.d) -c -o $@ $<

$(B)/%.skel.h: $(B)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)printf '%s\n' '/* NOLINTBEGIN */' '#pragma GCC system_header' >$@
	$(Q)$(BPFTOOL) gen skeleton $< name $(notdir $*)_bpf >>$@
	$(Q)echo '/* NOLINTEND */' >>$@

-include $(shell find $(B) -name '*.d' 2>/dev/null)

setup: ## install what is needed on Debian 12
	$(Q)tools/setup

check: ## set up, build, and run all tests
	$(Q)tools/setup
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)tools/check

check-full: ## the same, and what guards a behaviour once more, in every kernel
	$(Q)tools/setup
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)tools/check --full

demo: ## set up, build, and run the examples
	$(Q)tools/setup build check uml
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tools/demo

TEST_SOURCES := $(wildcard tests/unit/*.c tests/wire/*.c tests/vm/*.c)
TESTS        := $(filter %_test,$(TEST_SOURCES:%.c=$(B)/%))

# What tests run inside of nodes: static, for guests of any kind.
TEST_HELPERS := $(B)/tests/lab/frame

tests: $(TESTS) $(TEST_HELPERS) ## the test programs, without running them

$(B)/tests/lab/frame: $(wildcard tests/lab/frame/*.c tests/lab/frame/*.h)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -std=gnu11 -D_GNU_SOURCE $(WARNINGS) -static -o $@ $(filter %.c,$^)

$(B)/tests/%_test: $(B)/tests/%_test.o $(LIBRARY) $(EMBEDDED)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANITIZE) -o $@ $^ $(LIBS) -llua5.4 -lcmocka $(LDFLAGS)

HISTORY := $(patsubst %.c,$(B)/%.o,$(wildcard tests/wire/history*.c) tests/wire/reference.c)
$(HISTORY): | $(B)/tests/wire/clocked.skel.h
$(B)/tests/wire/history_test: $(HISTORY)

# An archive, so that a fuzzer has that part of the program that it is about, and counts the coverage of no other.
$(B)/library.a: $(filter-out $(B)/src/cli/main.o,$(OBJECTS))
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)ar qcs $@ $^

FUZZERS := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/*_fuzz.c))
$(B)/tests/fuzz/%_fuzz: $(B)/tests/fuzz/%_fuzz.o $(B)/tests/fuzz/clock.o $(B)/library.a $(EMBEDDED)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANITIZE) -fsanitize=fuzzer -o $@ $^ $(LIBS) -llua5.4 $(LDFLAGS)

# With FUZZ=1, as tools/fuzz asks for it.
fuzzers: $(FUZZERS)

fuzz: ## run each fuzzer for a minute
	$(Q)tools/setup build check
	$(Q)tools/fuzz

# What benchmarks run inside of nodes.
PROBE := $(B)/tools/bench/probe
$(PROBE): $(patsubst %.c,$(B)/%.o,$(wildcard tools/bench/*.c)) $(filter $(B)/src/net/% $(B)/src/util/%,$(OBJECTS))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANITIZE) -o $@ $^ $(LIBS) $(LDFLAGS)

FLOOD := $(B)/tools/bench/flood
$(FLOOD): tools/bench/flood/flood.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -std=gnu11 -D_GNU_SOURCE $(WARNINGS) -o $@ $<

FORWARD := $(B)/tools/bench/forward
$(FORWARD): $(patsubst %.c,$(B)/%.o,$(wildcard tools/bench/forwarding/*.c)) $(filter $(B)/src/net/% $(B)/src/util/%,$(OBJECTS))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANITIZE) -o $@ $^ $(LIBS) $(LDFLAGS)

TESTRUN := $(B)/tools/bench/testrun-wire
$(TESTRUN): $(B)/tools/bench/testrun/main.o $(filter $(B)/src/wire/% $(B)/src/net/% $(B)/src/util/%,$(OBJECTS))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANITIZE) -o $@ $^ $(LIBS) $(LDFLAGS)

# A test runs them, to see that they still run.
tests: $(PROBE) $(FORWARD) $(TESTRUN)

BENCHES := $(patsubst tools/bench-%,bench-%,$(wildcard tools/bench-*))
bench: $(BENCHES) ## all benchmarks: bench-capture, bench-control, bench-fidelity, bench-forwarding, bench-nodes, bench-wire
# Named one by one: make looks for no pattern for what is phony.
$(BENCHES): bench-%: all $(PROBE) $(FLOOD) $(FORWARD) $(TESTRUN)
	$(Q)tools/$@

lint: ## formatters and analysers over everything
	$(Q)tools/setup build lint
	$(Q)$(MAKE) --no-print-directory $(B)/wire.skel.h
	$(Q)tools/lint

format: ## reformat the C code
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h')

LUA_CMOD := $(PREFIX)/lib/lua/5.4
install: all ## install below DESTDIR and PREFIX
	install -D -m 755 $(B)/provium $(DESTDIR)$(PREFIX)/bin/provium
	install -D -m 755 $(B)/provium.so $(DESTDIR)$(LUA_CMOD)/provium.so
	install -D -m 644 docs/provium.1 $(DESTDIR)$(PREFIX)/share/man/man1/provium.1

uninstall: ## remove what install has put there
	rm -f $(DESTDIR)$(PREFIX)/bin/provium $(DESTDIR)$(LUA_CMOD)/provium.so \
		$(DESTDIR)$(PREFIX)/share/man/man1/provium.1

clean: ## remove build/
	$(Q)rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z%-]+:.*## /{printf "  make %-12s%s\n", $$1, $$2}' Makefile
	@echo "  V=1 shows commands, SAN=1 builds with ASan and UBSan, PREFIX and DESTDIR are for install"

.PHONY: all setup check check-full demo tests fuzzers fuzz bench lint format install uninstall clean help $(BENCHES)
# Kept between runs.
.SECONDARY:
