#!/bin/sh
# Make or refresh the folder that flow_systemd boots: a small Debian with systemd, and in it rilld with
# the units as they are shipped. The folder (about 240 MB) is kept, so this takes seconds from then on.
#   flow_systemd_machine.sh MACHINE DEPLOY_FOLDER RILLD
# Exits 77 with a reason where that is not possible.
set -u
machine=$1 deploy=$2 rilld=$3

skip() {
    echo "$*"
    exit 77
}

[ "$(id -u)" = 0 ] || skip "booting a container needs root"
for tool in systemd-nspawn debootstrap nsenter; do
    command -v $tool >/dev/null || skip "$tool is not installed"
done

# The caller sees to it that there is one maker at a time. A folder counts only when it is complete.
if ! [ -e "$machine" ]; then
    suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
    rm -rf "$machine.new"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus "$suite" "$machine.new" \
        >"$machine.log" 2>&1 || {
        rm -rf "$machine.new"
        skip "debootstrap failed: $(tail -n 1 "$machine.log")"
    }
    rm -rf "$machine.new"/var/cache/apt/* "$machine.new"/var/lib/apt/lists/* \
        "$machine.new"/usr/share/doc "$machine.new"/usr/share/locale
    mkdir -p "$machine.new/etc/systemd/journald.conf.d"
    printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n' \
        >"$machine.new/etc/systemd/journald.conf.d/small.conf"
    mv "$machine.new" "$machine" || exit 1
fi

install -m 755 "$rilld" "$machine/usr/sbin/rilld" || exit 1
# The libraries that the machine does not have by itself.
rm -rf "$machine/usr/lib/rilld"
mkdir -p "$machine/usr/lib/rilld"
ldd "$rilld" | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | while read -r library; do
    kept="$machine/usr/lib/rilld/${library##*/}"
    [ -e "$machine$library" ] || install -m 644 "$library" "$kept" || exit 1
done || exit 1
echo /usr/lib/rilld >"$machine/etc/ld.so.conf.d/rilld.conf"
chroot "$machine" /sbin/ldconfig || exit 1
rm -rf "$machine"/etc/systemd/system/rilld.* "$machine/etc/rilld" "$machine/srv/www"
install -m 644 "$deploy/rilld.service" "$deploy/rilld.socket" "$machine/etc/systemd/system/" || exit 1
mkdir -p "$machine/etc/rilld" "$machine/srv/www"
cp -r "$deploy/demo/site/." "$machine/srv/www/" || exit 1
truncate -s 48M "$machine/srv/www/big.bin" # without blocks: it costs no space
