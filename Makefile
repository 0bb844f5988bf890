# Builds and installs libmojo for C and C++: the library, shared and static, the
# thunks library for plugins, the headers, and what pkg-config and CMake need to
# find them.
#
#   make              builds the libraries (release)
#   make install      installs them, built before if necessary
#   make uninstall    removes what make install installs
#   make thunks       builds only the thunks library, which needs no Rust
#
# PREFIX, LIBDIR and INCLUDEDIR say where to, DESTDIR goes in front of all of
# them while a package is made. The libraries are built in TARGET_DIR, and not
# where cargo builds by default: a program that is linked with these looks for
# the versioned name that only an installed library has.
#
# A makefile, not an extension of cargo, because it needs no tool that a machine
# with a C compiler lacks, and because part of what it installs is not Rust.

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
TARGET_DIR ?= target/install
CARGO ?= cargo
CFLAGS ?= -O2 -g

VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml)
MAJOR := $(firstword $(subst ., ,$(VERSION)))
# What the static library needs of the system, apart from what every C compiler
# links with anyway.
SYSTEM_LIBRARIES := -lutil -lrt -lpthread -lm -ldl

SHARED := $(TARGET_DIR)/release/libmojo_system.so
STATIC := $(TARGET_DIR)/release/libmojo_system.a
THUNKS := $(TARGET_DIR)/libmojo_system_thunks.a
SOURCES := Cargo.toml Cargo.lock \
    $(shell find crates/*/Cargo.toml crates/*/src -type f)
HEADERS := $(wildcard include/mojo/public/c/system/*.h)
PACKAGE_FILES := pkgconfig/mojo_system.pc pkgconfig/mojo_system_thunks.pc \
    cmake/mojo_system/mojo_system-config.cmake \
    cmake/mojo_system/mojo_system-config-version.cmake

all: $(SHARED) $(STATIC) thunks

# Cargo leaves files alone that would be the same again.
$(SHARED) $(STATIC) &: $(SOURCES)
	$(CARGO) rustc --release --locked -p libmojo-c --lib --target-dir $(TARGET_DIR) -- \
	    -C link-arg=-Wl,-soname,libmojo_system.so.$(MAJOR)
	touch $(SHARED) $(STATIC)

thunks: $(THUNKS)

$(THUNKS): crates/c/thunks/thunks.c $(HEADERS)
	install -d $(@D)
	$(CC) $(CPPFLAGS) -Iinclude $(CFLAGS) -std=c99 -Wall -Wextra -pedantic -fPIC -c -o $(@:.a=.o) $<
	$(AR) rcs $@ $(@:.a=.o)

install: all
	install -d '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(LIBDIR)/cmake/mojo_system' \
	    '$(DESTDIR)$(INCLUDEDIR)/mojo/public/c/system'
	install -m 644 $(HEADERS) '$(DESTDIR)$(INCLUDEDIR)/mojo/public/c/system'
	install -m 755 $(SHARED) '$(DESTDIR)$(LIBDIR)/libmojo_system.so.$(VERSION)'
	ln -sf libmojo_system.so.$(VERSION) '$(DESTDIR)$(LIBDIR)/libmojo_system.so.$(MAJOR)'
	ln -sf libmojo_system.so.$(MAJOR) '$(DESTDIR)$(LIBDIR)/libmojo_system.so'
	install -m 644 $(STATIC) $(THUNKS) '$(DESTDIR)$(LIBDIR)'
	for file in $(PACKAGE_FILES); do \
	  sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	      -e 's|@FROM_LIBDIR_TO_INCLUDEDIR@|$(shell realpath -m --relative-to='$(LIBDIR)' '$(INCLUDEDIR)')|' \
	      -e 's|@VERSION@|$(VERSION)|' -e 's|@MAJOR@|$(MAJOR)|' \
	      -e 's|@SYSTEM_LIBRARIES@|$(SYSTEM_LIBRARIES)|' \
	      packaging/$$(basename $$file).in >'$(DESTDIR)$(LIBDIR)'/$$file || exit 1; \
	done

uninstall:
	cd '$(DESTDIR)$(LIBDIR)' && $(RM) libmojo_system.so libmojo_system.so.$(MAJOR) libmojo_system.so.$(VERSION) \
	    libmojo_system.a libmojo_system_thunks.a $(PACKAGE_FILES) && rmdir cmake/mojo_system
	cd '$(DESTDIR)$(INCLUDEDIR)' && $(RM) $(HEADERS:include/%=%) && \
	    rmdir -p --ignore-fail-on-non-empty mojo/public/c/system

.PHONY: all install thunks uninstall
