#!/bin/bash
# Installs the Debian packages that a task needs and this machine lacks.
#
#   scripts/install-deps.sh build|run|test|bench|chaos|soak|fuzz|lint
#
# With everything in place it only asks dpkg: no network, no root. EVERGATE_NO_INSTALL=1 makes it
# say what is missing and fail instead of installing.
set -euo pipefail

# "package: why"; what the program itself is made of.
build_packages="
build-essential: the C compiler and its headers
cmake: the build
ninja-build: the build
pkg-config: finds the libraries below
libevent-dev: event loop and evhttp
libssl-dev: TLS
libconfig-dev: the configuration's syntax
libc-ares-dev: asynchronous name resolution
libjansson-dev: the management API's JSON
libyaml-dev: kubeconfig files
libseccomp-dev: the system call filter
node-llhttp: the HTTP/1 parser's C sources"

test_packages="
libcriterion-dev: unit tests
python3: integration tests
python3-pytest: integration tests
python3-pytest-xdist: runs them side by side
nginx-light: a real backend for them
nodejs: a real backend for them
node-ws: a real WebSocket client and server
curl: a real client
openssl: certificates and a TLS client
postgresql: real servers for the postgres check
redis-server: real servers and Sentinels (the same program) for the redis check
zsh: completion is tested in the real shell
fish: likewise
etcd-server: a real source of endpoints for them
bind9: a real name server
dnsmasq-base: another, with SRV records of its own
kubernetes-client|kubectl: the real client proves that the fake Kubernetes API is one
python3-yaml: reads the manifests that it builds
keepalived: moves an address between two evergates
prometheus: evaluates what the Kubernetes autoscaler goes by, over /metrics of the real thing
iproute2: the network namespaces that stand for machines
debootstrap: a Debian root that the package is installed in
systemd: its tools judge the unit and pass sockets; nothing is started by it
strace: what a run asks of the kernel is compared with what the unit allows
mandoc: reads the man pages with a critical eye
podman: builds the image and runs it
crun: what podman runs containers with
man-db: shows them as users see them
iproute2: a network of its own, where port 80 is free"

bench_packages="
haproxy: to compare with
nginx: to compare with, and the backend
wrk: the load generator
openssl: a certificate
python3: the measuring script"

chaos_packages="
haproxy: to compare with
nginx: to compare with, and the backends
nodejs: backends that misbehave
wrk: the closed-loop load generator
openssl: certificates
iproute2: a network namespace for the black hole
nftables: what makes it black
postgresql: a primary and its standby
redis-server: a master and its replica
redis-sentinel: who elects the next master
python3: the measuring script"

soak_packages="
nginx: the backends
nodejs: the WebSockets' server and clients
node-ws: what they speak with
bind9: a source of endpoints
etcd-server: another
python3: the measuring script"

fuzz_packages="
clang: libFuzzer
libclang-rt-14-dev: its run time
llvm: readable stack traces"

lint_packages="
clang-format: the format
clang-tidy: static analysis
libcriterion-dev: the tests are checked too"

case "${1:-}" in
build | run) wanted=$build_packages ;;
test) wanted="$build_packages$test_packages" ;;
bench) wanted="$build_packages$bench_packages" ;;
chaos) wanted="$build_packages$chaos_packages" ;;
soak) wanted="$build_packages$soak_packages" ;;
fuzz) wanted="$build_packages$fuzz_packages" ;;
lint) wanted="$build_packages$lint_packages" ;;
*)
    echo "usage: $0 build|run|test|bench|chaos|soak|fuzz|lint" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "Not a Debian system: evergate needs what these packages hold:$wanted" >&2
    exit 0 # CMake will tell what it cannot find
fi

# "a|b": either will do, and the first is what would be installed.
is_installed() {
    local package
    for package in ${1//|/ }; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] && return
    done
    return 1
}

missing=()
while IFS=: read -r package why; do
    if [[ -n $package ]] && ! is_installed "$package"; then
        ((${#missing[@]})) || echo "Packages that \"make $1\" needs and this machine lacks:"
        printf '  %-22s%s\n' "${package%%|*}" "${why# }"
        missing+=("${package%%|*}")
    fi
done <<<"$wanted"
((${#missing[@]})) || exit 0

if [[ $(id -u) == 0 ]]; then
    as_root=(env)
elif command -v sudo >/dev/null && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; then
    as_root=(sudo env)
fi
if [[ -n ${EVERGATE_NO_INSTALL:-} || -z ${as_root:-} ]]; then
    echo "Install them as root, then run this again:" >&2
    echo "  apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi

# Servers are wanted as programs: their packages must not start one on this machine.
# Debian's way to say so is the policy file; a policy that is already there is left alone.
policy=/usr/sbin/policy-rc.d
policy_is_ours=
forbid_services() {
    [[ -e $policy ]] && return
    policy_is_ours=yes
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
    "${as_root[@]}" chmod 755 $policy
}
allow_services() {
    [[ -z $policy_is_ours ]] || "${as_root[@]}" rm -f $policy
    policy_is_ours=
}
trap allow_services EXIT
trap 'exit 130' INT TERM

echo "Installing them with apt-get."
"${as_root[@]}" apt-get update -qq
forbid_services
"${as_root[@]}" DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
    apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}"
allow_services

# Nor should they start at the next boot.
for service in nginx haproxy postgresql redis-server redis-sentinel etcd named keepalived prometheus; do
    if [[ " ${missing[*]} " == *" ${service/named/bind9}"* && -d /run/systemd/system ]]; then
        "${as_root[@]}" systemctl disable --quiet $service 2>/dev/null || true
    fi
done
