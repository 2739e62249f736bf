#!/bin/sh
# Lays out the root file system of the final image: the program, what it loads, and nothing else.
#
#   docker/rootfs.sh BINARY DIRECTORY
#
# There is no shell, no package manager and no libc tool in it, so nothing in it has to be kept up
# to date but what `ldd` names. Runs in the build stage of docker/Dockerfile.
set -eu

binary=$1
root=$2
user=65532 # what other images without a shell call "nonroot": no account of any host has it

install -D -m 755 -s "$binary" "$root/usr/bin/evergate"

# Under the names that the program and its loader ask for. Name services need no more than libc
# since 2.34, and OpenSSL's default provider is a part of libcrypto.
ldd "$root/usr/bin/evergate" | grep -o '/[^ ]*' | while read -r library; do
    install -D -m 755 "$library" "$root$library"
done

# Authorities: as a directory that OpenSSL looks single names up in, which costs no memory before
# it is needed, and as the bundle that other programs' users know.
mkdir -p "$root/usr/share" "$root/usr/lib/ssl" "$root/etc/ssl"
cp -a /usr/share/ca-certificates "$root/usr/share/"
cp -a /etc/ssl/certs "$root/etc/ssl/"
cp /etc/ssl/openssl.cnf "$root/etc/ssl/"
ln -s /etc/ssl/certs "$root/usr/lib/ssl/certs"
ln -s /etc/ssl/openssl.cnf "$root/usr/lib/ssl/openssl.cnf"

# Names of the two users there are. /etc/hosts and /etc/resolv.conf are the container runtime's.
printf 'root:x:0:0:root:/:/usr/sbin/nologin\nevergate:x:%s:%s:evergate:/:/usr/sbin/nologin\n' \
    $user $user >"$root/etc/passwd"
printf 'root:x:0:\nevergate:x:%s:\n' $user >"$root/etc/group"
printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"

install -D -m 644 "$(dirname "$0")/evergate.conf" "$root/etc/evergate/evergate.conf"

# Where a volume or a tmpfs goes when one is wanted: a management socket, a state file, what
# discovery keeps. Docker gives a new volume the owner that the directory has here. The group is
# root's, since OpenShift runs images as a user of any number and of that group.
install -d -m 770 -o $user -g 0 \
    "$root/run/evergate" "$root/var/lib/evergate" "$root/var/cache/evergate"
