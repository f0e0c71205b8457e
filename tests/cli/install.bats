#!/usr/bin/env bats
# make install: what a packager and a C program find afterwards.
bats_require_minimum_version 1.5.0

setup() {
    tmp=$(mktemp -d)
    build=${SIAM_BUILD:-build}
    make -s install B="$build" DESTDIR="$tmp" PREFIX=/usr >/dev/null
    usr=$tmp/usr
}

teardown() { rm -rf "$tmp"; }

@test "programs, library, headers, siam.pc and the bundled data are installed" {
    for program in siam siam-train siam-eval siam-query; do [ -x "$usr/bin/$program" ]; done
    [ -f "$usr/lib/libsiam.a" ]
    [ -L "$usr/lib/libsiam.so" ]
    readelf -d "$usr/lib/libsiam.so" | grep -q 'SONAME.*libsiam\.so\.[0-9]'
    [ -f "$usr/share/siam/glove-6b-100d-40k.st" ]
    version=$("$usr/bin/siam" --version | sed -n 's/^siam //p')
    PKG_CONFIG_PATH=$usr/lib/pkgconfig run pkg-config --modversion siam
    [ "$output" = "$version" ]
    run ! grep -r '@PREFIX@\|@VERSION@' "$usr/lib/pkgconfig"
}

@test "a program builds against the installed headers and library, and runs" {
    if nm -D "$usr/lib/libsiam.so" | grep -q __asan; then skip "a sanitized library needs a sanitized program"; fi
    cat >"$tmp/use.c" <<'C'
#include <siamese/siamese.h>
#include <stdio.h>
int main(void)
{
    kn_error err;
    sm_graph *g = sm_graph_parse("linear 4; relu; linear 2", 3, &err);
    printf("%zu\n", g ? g->params : 0);
    sm_graph_free(g);
    return 0;
}
C
    flags=$(PKG_CONFIG_PATH=$usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$tmp pkg-config --cflags --libs siam)
    # shellcheck disable=SC2086
    ${CC:-cc} -o "$tmp/use" "$tmp/use.c" $flags
    LD_LIBRARY_PATH=$usr/lib run "$tmp/use"
    [ "$output" = 26 ] # 3*4 + 4 + 4*2 + 2
}
