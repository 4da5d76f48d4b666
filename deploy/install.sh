#!/bin/sh
# Installs hisgate on a host with systemd, from the folder that this script lies
# in. Needs no network, and may be run again: for an upgrade, or after it was cut
# off. The configuration, the keys and the data are never touched.
#
#   sudo ./install.sh            installs or upgrades; hisgate is not started
#   DESTDIR=/tmp/root ./install.sh    lays the files below a folder, without systemd
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR:-}
bin=$root/usr/local/bin
etc=$root/etc/hisgate
unit=$root/etc/systemd/system/hisgate.service

if [ -z "$root" ] && [ "$(id -u)" -ne 0 ]; then
	echo "install.sh: must be run as root" >&2
	exit 1
fi
for f in hisgate hisgate.example.yaml deploy/systemd/hisgate.service; do
	[ -f "$here/$f" ] || { echo "install.sh: $here/$f is missing; unpack the whole archive" >&2; exit 1; }
done
"$here/hisgate" version >/dev/null || { echo "install.sh: this hisgate does not run here; is the archive for this system?" >&2; exit 1; }

if [ -z "$root" ] && ! getent passwd hisgate >/dev/null; then
	useradd --system --user-group --no-create-home --home-dir /var/lib/hisgate --shell /usr/sbin/nologin hisgate
fi

install -d -m 755 "$bin" "$(dirname "$unit")"
install -d -m 750 "$etc"
[ -n "$root" ] || chown root:hisgate "$etc"

# The binary changes in one step, so that a start in between finds the old or the
# new one whole. The old one stays for a way back.
if [ -f "$bin/hisgate" ] && ! cmp -s "$here/hisgate" "$bin/hisgate"; then
	cp -p "$bin/hisgate" "$bin/hisgate.previous"
fi
install -m 755 "$here/hisgate" "$bin/.hisgate.new"
mv -f "$bin/.hisgate.new" "$bin/hisgate"
install -m 640 "$here/hisgate.example.yaml" "$etc/hisgate.example.yaml"
[ -n "$root" ] || chown root:hisgate "$etc/hisgate.example.yaml"
if [ -f "$unit" ] && ! cmp -s "$here/deploy/systemd/hisgate.service" "$unit"; then
	cp -p "$unit" "$unit.previous"
fi
install -m 644 "$here/deploy/systemd/hisgate.service" "$unit"
[ -n "$root" ] || systemctl daemon-reload

echo "installed: $("$here/hisgate" version)"
if [ -f "$etc/hisgate.yaml" ]; then
	echo "next: hisgate doctor -c /etc/hisgate/hisgate.yaml && systemctl restart hisgate"
else
	echo "next: cp /etc/hisgate/hisgate.example.yaml /etc/hisgate/hisgate.yaml, fill in his and wechat,"
	echo "      hisgate doctor -c /etc/hisgate/hisgate.yaml, then systemctl enable --now hisgate"
fi
