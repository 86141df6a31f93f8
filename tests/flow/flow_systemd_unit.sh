#!/bin/sh
# The units of deploy/ are read by systemd without a complaint, and leave the service little to
# abuse: an exposure of at most 1.5 of 10.
#   flow_systemd_unit.sh DEPLOY_FOLDER RILLD
set -u
command -v systemd-analyze >/dev/null || {
    echo "systemd-analyze is not installed"
    exit 77
}
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
# The program is not installed here, so the copy names the one that was built.
sed "s|/usr/sbin/rilld|$2|" "$1/rilld.service" >"$folder/rilld.service"
cp "$1/rilld.socket" "$folder/" || exit 1
cd "$folder" || exit 1
status=0
systemd-analyze verify --man=no ./rilld.service ./rilld.socket >verify.log 2>&1 || status=1
if [ -s verify.log ]; then
    cat verify.log
    status=1
fi
if ! systemd-analyze security --no-pager --offline=yes --threshold=15 ./rilld.service \
    >security.log 2>&1; then
    grep -v '✓' security.log
    status=1
fi
tail -n 1 security.log
exit $status
