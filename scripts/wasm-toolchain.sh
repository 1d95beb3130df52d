#!/bin/sh
# Lets stable Rust compile for wasm32-unknown-unknown, which plugins in Rust need:
#   scripts/wasm-toolchain.sh [debian]        (debian: does not ask rustup)
# Asks rustup first. Where rustup cannot fetch the target, and on Debian, it takes Debian's rustc for the web browsers
# (rustc-web) out of the archive, without installing anything, and compiles the target's standard library with it.
# That compiler then lies in ${CUETONE_WASM_RUST:-~/.cache/cuetone/rust-wasm} (480 MB); `cuetone plugin build` looks
# there. By hand:
#   RUSTC=~/.cache/cuetone/rust-wasm/bin/rustc cargo build --release --target wasm32-unknown-unknown
# Does nothing where it is done already. May be interrupted: what is half done is never in the place of what is ready.
set -eu
target=wasm32-unknown-unknown
place=${CUETONE_WASM_RUST:-$HOME/.cache/cuetone/rust-wasm}
# Long enough for 20 MB on a slow line, short enough where there is no way out.
rustup_seconds=60

say() { echo "wasm-toolchain: $*"; }
fail() { echo "wasm-toolchain: $*" >&2; exit 1; }
has_std() { # rustc: whether it has the target's standard library
    libs=$("$1" --print target-libdir --target $target 2>/dev/null) && ls "$libs"/libcore-*.rlib >/dev/null 2>&1
}

find_lld() { # rustup's toolchains bring a linker for wasm32, and so does Debian's lld
    lld=$(rustc --print sysroot)/lib/rustlib/$(rustc --print host-tuple)/bin/rust-lld
    if [ -x "$lld" ]; then echo "$lld"; else command -v lld || true; fi
}

for tool in cargo rustc; do
    command -v $tool >/dev/null || fail "$tool is not installed: install Rust with rustup (https://rustup.rs) first"
done
way=${1:-rustup}
case $way in rustup | debian) ;; *) fail "unknown way $way: only \`debian\` may be asked for" ;; esac
if [ "$way" = rustup ] && has_std rustc; then
    say "ready: $(rustc --version) has $target"
    exit
fi
if [ -x "$place/bin/rust-lld" ] && [ -x "$place/bin/rustc" ] && has_std "$place/bin/rustc"; then
    say "ready: $("$place/bin/rustc" --version) in $place"
    exit
fi

if [ "$way" = rustup ] && command -v rustup >/dev/null; then
    say "asking rustup for $target, for at most $rustup_seconds s"
    if RUSTUP_MAX_RETRIES=0 timeout $rustup_seconds rustup target add $target && has_std rustc; then
        say "ready: rustup added $target to $(rustc --version)"
        exit
    fi
    say "rustup could not fetch it; taking Debian's rustc-web instead"
fi

for tool in apt-get apt-cache dpkg-deb dpkg-query cc; do
    command -v $tool >/dev/null ||
        fail "$tool is not here, so Debian's rustc-web cannot be used. Run \`rustup target add $target\` with a network," \
            "or install your system's package of Rust's standard library for $target"
done
lld=$(find_lld)
[ -n "$lld" ] || fail "no linker for WebAssembly: install Rust with rustup (https://rustup.rs), or \`apt-get install lld\`"

# Everything is prepared beside the place and moved there at the end.
mkdir -p "$(dirname "$place")"
work=$(mktemp -d "$place.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
root=$work/root
mkdir -p "$work/archives" "$root/bin"

# The compiler, the library's sources, and what of the compiler's libraries this machine lacks.
needed=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
    rustc-web 2>/dev/null | grep -E '^lib' | sort -u)
[ -n "$needed" ] || fail "apt knows no rustc-web: run \`apt-get update\`, or use a release of Debian that has it, as 12 does"
packages="rustc-web rust-web-src"
for package in $needed; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) in
        installed) ;;
        *) packages="$packages $package" ;;
    esac
done
say "downloading from Debian's archive:" $packages
# shellcheck disable=SC2086 # a list of words
(cd "$work/archives" && apt-get download -qq -o APT::Sandbox::User=root $packages) ||
    fail "the download failed: run \`apt-get update\` and try again"
for archive in "$work"/archives/*.deb; do dpkg-deb -x "$archive" "$root"; done

# The compiler finds its libraries and its linker beside itself, wherever the folder lies.
ln -s "$lld" "$root/bin/rust-lld"
cat >"$root/bin/rustc" <<'WRAPPER'
#!/bin/sh
# Written by scripts/wasm-toolchain.sh: Debian's rustc with the libraries that lie beside it.
root=$(dirname "$(dirname "$(readlink -f "$0")")")
for libs in "$root"/usr/lib/*-linux-gnu*; do LD_LIBRARY_PATH="$libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"; done
export LD_LIBRARY_PATH PATH="$root/bin:$PATH"
exec "$root/usr/bin/rustc" "$@"
WRAPPER
chmod +x "$root/bin/rustc"
version=$("$root/bin/rustc" --version) || fail "Debian's rustc does not start here: see the message above"

say "compiling the standard library with $version: one or two minutes"
mkdir -p "$work/empty/src"
printf '[package]\nname = "empty"\nedition = "2024"\n[workspace]\n' >"$work/empty/Cargo.toml"
: >"$work/empty/src/lib.rs"
# `embed-bitcode`: plugins are linked with LTO. RUSTC_BOOTSTRAP allows -Z for this one build.
(cd "$work/empty" && env -u RUSTC_WRAPPER -u RUSTFLAGS RUSTC="$root/bin/rustc" RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$work/target" \
    CARGO_ENCODED_RUSTFLAGS=-Cembed-bitcode=yes cargo build --quiet --release -Zbuild-std=std,panic_abort --target $target) ||
    fail "the standard library did not compile: see the messages above"
libs=$root/usr/lib/rustlib/$target/lib
mkdir -p "$libs"
cp "$work/target/$target/release/deps"/*.rlib "$libs"
rm -f "$libs"/libempty-*.rlib
# Only the compiler and compiled libraries are needed from now on.
rm -rf "$root/usr/src" "$root/usr/share" "$root/usr/lib/rustlib/src" "$root/usr/libexec" "$root/usr/bin/rustdoc"

# A real module, linked: what is moved into its place works.
printf '#[unsafe(no_mangle)]\npub extern "C" fn answer() -> usize { std::hint::black_box(vec![0u8; 42]).len() }\n' >"$work/answer.rs"
"$root/bin/rustc" --edition 2024 --crate-type cdylib --target $target -O \
    -o "$work/answer.wasm" "$work/answer.rs" || fail "the compiler was prepared, but cannot link: see the messages above"

rm -rf "$place"
mv "$root" "$place"
say "ready: $version in $place"
