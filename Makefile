# SPDX-License-Identifier: GPL-2.0-or-later
#
# make && make install; "make help" lists the targets.  Needs GNU make 3.81,
# a C compiler and the POSIX sh, awk and sed; nothing that was built is run.

VERSION := 0.1.0

.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:
FRC:
.PHONY: FRC

B := $(or $(O),build)
KCONFIG_CONFIG ?= $(if $(O),$(O)/.config,.config)
AWK ?= awk
SHELL := /bin/sh

# "make clean" removes below O: it must be one word, and not the sources.
ifneq ($(words $(B)) $(words $(KCONFIG_CONFIG)),1 1)
$(error O and KCONFIG_CONFIG cannot have blanks in them)
endif
ifneq ($(filter $(abspath . applets configs docs libmd scripts testsuite),\
	$(abspath $(B))),)
$(error O=$(O) is a directory of the sources)
endif
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

# ---- goals ------------------------------------------------------------------

DEFCONFIGS := $(sort $(notdir $(wildcard configs/*_defconfig)))
CONFIG_GOALS := defconfig $(DEFCONFIGS) menuconfig nconfig config oldconfig \
	olddefconfig silentoldconfig savedefconfig allyesconfig allnoconfig \
	randconfig
PLAIN_GOALS := clean mrproper coverage dist help setup FRC
CHECKS := check check-clients check-superservers check-pop3test \
	check-conformance check-mutants check-maildirck check-maildirck-live \
	check-pam check-stls check-security
BUILD_GOALS := all $(CHECKS) bench-maildirck bench-separation fuzz demo install install-noclobber \
	uninstall sizes baseline bloatcheck objects unit
.PHONY: $(CONFIG_GOALS) $(PLAIN_GOALS) $(BUILD_GOALS)

GOALS := $(or $(MAKECMDGOALS),all)
EARLY := $(filter $(CONFIG_GOALS) $(PLAIN_GOALS),$(GOALS))

# "make tiny_defconfig all": a goal that settles the configuration must be
# over before the next one reads it, so each goal gets a make of its own.
ifneq ($(and $(EARLY),$(word 2,$(GOALS))),)
.NOTPARALLEL:
.PHONY: $(GOALS)
$(GOALS):
	+@$(MAKE) --no-print-directory $@
else

# ---- what the sources say about themselves ----------------------------------

APPLET_SRC := $(sort $(wildcard applets/*.c))
ALL_SRC := $(sort $(APPLET_SRC) $(wildcard applets/*/*.c libmd/*.c))

# Replaces the target only by something different: nothing is rebuilt for
# a comment.  The parent directory may be new.
settle = { cmp -s $(1).new $(1) && rm $(1).new || mv $(1).new $(1); }
lines = sed -n 's|^//$(1):||p'

$(B)/Config.applets: FRC
	@mkdir -p $(B)
	@$(call lines,config) $(APPLET_SRC) >$@.new && $(call settle,$@)

$(B)/obj.mk: FRC
	@mkdir -p $(B)
	@$(call lines,kbuild) $(ALL_SRC) >$@.new && $(call settle,$@)

$(B)/applets.h: FRC
	@$(call lines,applet) $(APPLET_SRC) | LC_ALL=C sort | \
		$(AWK) -f scripts/applets.awk >$@.new && $(call settle,$@)

$(B)/usage.h: FRC
	@$(AWK) -f scripts/usage.awk $(APPLET_SRC) >$@.new && $(call settle,$@)

$(B)/findtext.h: applets/maildirck/findings.h scripts/pack.awk
	@$(AWK) -f scripts/pack.awk $< >$@.new && mv $@.new $@

# ---- configuration ----------------------------------------------------------

$(B)/Config.in: Config.in
	@mkdir -p $(B)
	@sed 's|"build/|"$(B)/|' Config.in >$@

CONFIG_IN := $(B)/Config.in $(B)/Config.applets scripts/kconf.awk
# $(1) mode, $(2) what to write, $(3) configuration to start from
kconf = $(AWK) -v top=$(B)/Config.in -v mode=$(1) -v out=$(2) -v cfg=$(3) \
	-v seed='$(SEED)' -f scripts/kconf.awk
# writes KCONFIG_CONFIG; the old one stays when that fails
config = @mkdir -p $(dir $(KCONFIG_CONFIG)) && \
	$(call kconf,$(1),config,$(2)) >$(KCONFIG_CONFIG).new && \
	mv $(KCONFIG_CONFIG).new $(KCONFIG_CONFIG)

ifneq ($(EARLY),)
defconfig: $(CONFIG_IN)
	$(call config,old,configs/popbox_defconfig)
$(DEFCONFIGS): $(CONFIG_IN)
	$(call config,old,configs/$@)
oldconfig olddefconfig silentoldconfig config: $(CONFIG_IN)
	$(call config,old,$(wildcard $(KCONFIG_CONFIG)))
allyesconfig: $(CONFIG_IN)
	$(call config,yes)
allnoconfig: $(CONFIG_IN)
	$(call config,no)
randconfig: $(CONFIG_IN)
	$(call config,rand)
savedefconfig: $(CONFIG_IN)
	@$(call kconf,old,min,$(KCONFIG_CONFIG)) >defconfig
menuconfig nconfig: $(CONFIG_IN)
	@KCONFIG_CONFIG=$(KCONFIG_CONFIG) scripts/menu $@ $(B)/Config.in
	$(call config,old,$(KCONFIG_CONFIG))
else

$(KCONFIG_CONFIG): | $(CONFIG_IN)
	@echo 'No configuration yet: taking configs/popbox_defconfig'
	$(call config,old,configs/popbox_defconfig)

# The settled configuration, complete even where .config is older than
# Config.in; CONFIG_X=y is make syntax already.
$(B)/config.mk: $(KCONFIG_CONFIG) $(CONFIG_IN)
	@$(call kconf,old,config,$<) >$@.new && $(call settle,$@)

$(B)/autoconf.h: $(KCONFIG_CONFIG) $(CONFIG_IN) Makefile
	@{ $(call kconf,old,hdr,$<) && \
		echo '#define POPBOX_VERSION "$(VERSION)"'; } >$@.new
	@$(call settle,$@)

# A CONFIG_X of the environment is not one of ours; CONFIG_PREFIX is.
$(foreach v,$(filter-out CONFIG_PREFIX,$(filter CONFIG_%,$(.VARIABLES))),\
	$(if $(filter environment,$(origin $v)),$(eval $v :=)))
-include $(B)/config.mk
-include $(B)/obj.mk
endif

# ---- compiler and flags -----------------------------------------------------

BY_DEFAULT := $(filter default undefined,$(origin CC))
ifneq ($(BY_DEFAULT),)
ifneq ($(CROSS_COMPILE),)
CC := $(CROSS_COMPILE)gcc
else ifeq ($(CONFIG_STATIC),y)
CC := $(shell command -v musl-gcc >/dev/null 2>&1 && echo musl-gcc || echo cc)
endif
endif
STRIP ?= $(CROSS_COMPILE)strip
NM := $(if $(filter default undefined,$(origin NM)),$(CROSS_COMPILE)nm,$(NM))

ifeq ($(EARLY),)
# Only for what some supported compilers lack.
try = $(shell $(CC) -Werror $(1) -xc -c /dev/null -o /dev/null \
	2>/dev/null && echo '$(1)')
MAP := $(call try,-ffile-prefix-map=$(CURDIR)/=)

comma := ,
FLAGS := -std=c99 -Wall -Wextra -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wundef -Wpointer-arith -Wwrite-strings
FLAGS += $(if $(CONFIG_WERROR),-Werror) $(MAP)
FLAGS += -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -Ilibmd -I$(B) -include $(B)/autoconf.h
LANGUAGE := $(FLAGS)
LFLAGS :=

ifdef CONFIG_DEBUG
FLAGS += -O1 -g -fno-omit-frame-pointer
else
FLAGS += $(or $(if $(CONFIG_SMALLEST),$(call try,-Oz)),-Os) \
	-fomit-frame-pointer -fno-unwind-tables -fno-jump-tables \
	-fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections
LFLAGS += -Wl,--gc-sections
endif
ifdef CONFIG_SANITIZE
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS += $(SAN)
LFLAGS += $(SAN)
endif
ifdef CONFIG_HARDEN
FLAGS += -fstack-protector-strong $(call try,-fstack-clash-protection)
endif
ifdef CONFIG_STATIC
FLAGS += $(call try,-fno-pie)
LFLAGS += -static
endif
# Relocated data that is to become read-only has to end with a page, for
# which the file is padded by up to 4 KB.
LFLAGS += $(if $(CONFIG_SMALLEST),-Wl$(comma)-z$(comma)norelro \
	-Wl$(comma)-z$(comma)common-page-size=64,-Wl$(comma)-z$(comma)relro)
LFLAGS += -Wl,-z,now -Wl,-z,noseparate-code -Wl,-z,noexecstack \
	-Wl,--build-id=none

# musl-gcc looks into its own include directory only; the kernel's headers
# are the distribution's.
ifneq ($(filter %musl-gcc,$(firstword $(CC))),)
FLAGS += -idirafter $(B)/kinc
KINC := $(B)/kinc
endif
FLAGS += $(CPPFLAGS) $(CFLAGS) $(EXTRA_CFLAGS) $(subst ",,$(CONFIG_EXTRA_CFLAGS))
LFLAGS += $(LDFLAGS) $(EXTRA_LDFLAGS) $(subst ",,$(CONFIG_EXTRA_LDFLAGS))

# The hash library gets all that decides about code, and nothing of ours.
ifdef CONFIG_CRYPT_XCRYPT
XCRYPT_DIR := $(or $(XCRYPT_DIR),$(B)/xcrypt)
XFLAGS := $(filter-out -fno-pie,$(filter -m% -f% -E% --% -B%,$(FLAGS)))
XENV := CC='$(CC)' XCFLAGS='$(XFLAGS)'
XDIR ?= $(shell $(XENV) scripts/xcrypt --where $(XCRYPT_DIR))
FLAGS += -I$(XDIR)
HASHES := $(XDIR)/libcrypt.a
endif
ifdef CONFIG_CRYPT_SYSTEM
HASHES := -lcrypt
NEED_CRYPT = @echo '\#include <crypt.h>' | $(CC) -E - >/dev/null 2>&1 || { \
	echo "$(CC) has no crypt(): choose CRYPT_XCRYPT, or not STATIC" >&2; \
	exit 1; }
endif

# Modules of PAM are shared objects of the system's own C library: popbox-pam
# is linked to that, whatever the box is linked to, and by another compiler.
ifdef CONFIG_PAM_INPROC
LIBPAM := -lpam
PAM_WANTS = $(CC)
else ifdef CONFIG_FEATURE_MDPOP3D_PAM
PAM_CC ?= $(or $(CROSS_COMPILE:%=%gcc),cc)
PAM_BIN := $(B)/popbox-pam
PAM_WANTS = $(PAM_CC)
PAM_FLAGS = $(LANGUAGE) -O2 -fPIE -fstack-protector-strong \
	$(or $(SAN),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) \
	$(if $(CONFIG_DEBUG),-g) $(PAM_CFLAGS)
PAM_LFLAGS = -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack \
	-Wl,--build-id=none $(PAM_LDFLAGS)
# Otherwise the sanitizer calls a crypt() that came too late for it.
PAM_LIBS = -lpam $(if $(SAN),-Wl$(comma)--no-as-needed -lcrypt)
endif
ifdef PAM_WANTS
NEED_PAM = @echo '\#include <security/pam_appl.h>' | \
	$(PAM_WANTS) -E - >/dev/null 2>&1 || { \
	echo "$(PAM_WANTS) has no security/pam_appl.h (libpam0g-dev)" >&2; \
	exit 1; }
endif

# ---- build ------------------------------------------------------------------

OBJS := $(addprefix $(B)/,$(sort $(obj-y)))
GEN := $(B)/autoconf.h $(B)/applets.h $(B)/usage.h

all: $(B)/popbox $(B)/popbox.links $(PAM_BIN)
objects: $(OBJS)

# testsuite/unit/NAME.c: a program against libmd alone.
UNITS := $(patsubst testsuite/unit/%.c,$(B)/unit/%,$(wildcard testsuite/unit/*.c))
unit: $(UNITS)
	@:

# Whatever decides how the objects come out; they depend on it, so that none
# survives a change of compiler, flags or configuration.
export FLAGS_NOW = $(CC) $(FLAGS) / $(LFLAGS) $(OBJS) $(HASHES) $(LDLIBS) \
	/ $(VERSION) $(STRIP) $(SKIP_STRIP) / $(LIBPAM) $(PAM_CC) \
	$(PAM_FLAGS) $(PAM_LFLAGS)
$(B)/flags: FRC
	@command -v '$(firstword $(CC))' >/dev/null || { echo "no compiler" \
		"'$(firstword $(CC))' here (CC, CROSS_COMPILE)" >&2; exit 1; }
	$(NEED_CRYPT)
	$(NEED_PAM)
	@printf '%s\n' "$$FLAGS_NOW" >$@.new; \
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; \
		echo '  CC is $(CC)$(if $(BY_DEFAULT), (by default))'; fi

$(B)/kinc:
	@scripts/kernel-headers $@

$(OBJS): $(B)/%.o: %.c $(GEN) $(B)/flags | $(KINC) $(filter %.a,$(HASHES))
	$(call say,CC,$<)
	@mkdir -p $(dir $@)
	$(Q)$(CC) $(FLAGS) -MMD -MP -c -o $@ $<
$(B)/applets/maildirck/findings.o: $(B)/findtext.h

$(XDIR)/libcrypt.a: scripts/xcrypt | $(KINC) $(B)/flags
	$(call say,XCRYPT,$@)
	@$(XENV) scripts/xcrypt $(XDIR)

$(B)/popbox_unstripped: $(OBJS) $(filter %.a,$(HASHES)) $(B)/flags
	$(call say,LINK,$@)
	$(Q)$(CC) $(filter -O% -f% -m% -g% --%,$(FLAGS)) $(LFLAGS) -o $@ \
		$(OBJS) $(HASHES) $(LIBPAM) $(LDLIBS)

$(B)/unit/%: testsuite/unit/%.c $(wildcard testsuite/unit/*.h) $(OBJS) $(filter %.a,$(HASHES)) $(B)/flags
	$(call say,UNIT,$@)
	@mkdir -p $(dir $@)
	$(Q)$(CC) $(FLAGS) $(LFLAGS) -o $@ $< $(filter $(B)/libmd/%,$(OBJS)) \
		$(HASHES) $(LIBPAM) $(LDLIBS)

$(B)/popbox: $(B)/popbox_unstripped $(B)/flags
	$(call say,STRIP,$@)
	$(Q)$(if $(SKIP_STRIP)$(CONFIG_DEBUG),cp $< $@,$(STRIP) -s \
		-R .comment -R .note.gnu.property -o $@ $<)

PAM_SRC := helpers/popbox-pam.c libmd/pam.c libmd/base.c
$(B)/popbox-pam: $(PAM_SRC) libmd/pam.h libmd/auth.h libmd/base.h $(GEN) \
		$(B)/flags
	$(call say,PAM,$@)
	$(Q)$(PAM_CC) $(PAM_FLAGS) $(PAM_LFLAGS) -o $@ $(PAM_SRC) $(PAM_LIBS)
	$(Q)$(if $(SKIP_STRIP)$(CONFIG_DEBUG),:,$(STRIP) -s $@)

# The links that belong to the binary; nobody has to run it to know them.
$(B)/popbox.links: $(B)/applets.h $(B)/autoconf.h
	@$(AWK) -f scripts/links.awk $^ >$@

-include $(OBJS:.o=.d)
endif

# ---- tests and measures -----------------------------------------------------

export AWK NM VERSION B KCONFIG_CONFIG MAKE

$(CHECKS):
	@scripts/check $@
fuzz:
	@scripts/fuzz
# A make of its own: what the set-up brings decides about the compiler.
demo:
	@scripts/setup build && scripts/setup demo
	@$(MAKE) --no-print-directory all
	@scripts/demo $(B)/popbox
sizes:
	@scripts/sizes $(B)/sizes
bench-maildirck: all
	@scripts/setup bench
	@BUILD=$(B) bench/maildirck
bench-separation: all
	@scripts/setup check
	@POPBOX=$(B)/popbox CONFIG=$(KCONFIG_CONFIG) BUILD=$(B) bench/separation
baseline: all
	@cp $(B)/popbox_unstripped $(B)/popbox_baseline
bloatcheck: all
	@scripts/bloat $(B)/popbox_baseline $(B)/popbox_unstripped
setup:
	@scripts/setup build

# ---- installation -----------------------------------------------------------

PREFIX ?= /usr
LINK ?= symlink
export PREFIX LINK NOCLOBBER
ROOT = $(DESTDIR)$(CONFIG_PREFIX)

install: all
	@scripts/install $(B) '$(ROOT)'
install-noclobber: all
	@NOCLOBBER=y scripts/install $(B) '$(ROOT)'
uninstall: $(B)/popbox.links
	@scripts/install -u $(B) '$(ROOT)'

# ---- the rest ---------------------------------------------------------------

OUTPUT := applets libmd unit test sizes layers superservers peers fuzz bench kinc \
	xcrypt Config.in Config.applets obj.mk config.mk flags autoconf.h \
	applets.h usage.h findtext.h popbox popbox_unstripped popbox_baseline popbox.links \
	popbox-pam pam pam-inproc pam-test security kernels

# By name: O may be a directory that holds other things as well.
clean:
	@rm -rf $(addprefix $(B)/,$(OUTPUT)) $(B)/*.new
	@rmdir $(B) 2>/dev/null || :
mrproper: clean
	@rm -f $(KCONFIG_CONFIG) $(KCONFIG_CONFIG).old defconfig
	@rm -rf $(if $(O),,$(B))
coverage:
	@scripts/coverage
dist:
	@mkdir -p $(B)
	@scripts/dist popbox-$(VERSION) $(B)
help:
	@sed 1d scripts/help.txt
	@for c in $(DEFCONFIGS); do \
		printf '  %-20s %s\n' $$c "$$(sed -n '1s/^# //p' configs/$$c)"; \
		done
endif
