#!/usr/bin/env bash
# Builds the image of deploy/Dockerfile with buildah, without an engine and without
# a registry, looks at it, and runs what is in it as its user. Needs root and
# buildah (Debian: apt-get install buildah).
#
# The first stage wants the Go image of a registry; its build line is run here
# instead, with the Go of this machine. The second stage, which is the image, is
# built as it stands.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v buildah >/dev/null || [[ $(id -u) -ne 0 ]]; then
	echo "check-image: skipped: buildah is not installed (Debian: apt-get install buildah), or this is not root"
	exit 0
fi

work=$(mktemp -d)
pid=
finish() {
	[[ -z $pid ]] || kill "$pid" 2>/dev/null || true
	b unmount --all >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap finish EXIT
printf '{"default":[{"type":"insecureAcceptAnything"}]}' >"$work/policy.json"
printf '[storage]\ndriver="vfs"\nrunroot="%s"\ngraphroot="%s"\n' "$work/run" "$work/graph" >"$work/storage.conf"
export CONTAINERS_STORAGE_CONF=$work/storage.conf BUILDAH_ISOLATION=chroot
b() { buildah "$@"; }
fail() {
	echo "check-image: $*" >&2
	exit 1
}

mapfile -t lines < <(sed -n '/^COPY \. \./,/^FROM scratch/s|^RUN ||p' deploy/Dockerfile)
[[ ${#lines[@]} -eq 2 ]] || fail "the Dockerfile has other build lines: ${lines[*]}"
TAGS=oracle
for line in "${lines[@]}"; do eval "${line//\/out\//$work/out/}"; done

stage=$(b from scratch)
b copy "$stage" "$work/out" /out >/dev/null
b copy "$stage" /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt >/dev/null
b commit --signature-policy "$work/policy.json" "$stage" localhost/hisgate-built >/dev/null 2>&1
mkdir "$work/context"
cp LICENSE "$work/context"
{
	echo 'FROM localhost/hisgate-built AS build'
	sed -n '/^FROM scratch/,$p' deploy/Dockerfile
} >"$work/Dockerfile"
b build --signature-policy "$work/policy.json" --pull-never -f "$work/Dockerfile" -t localhost/hisgate "$work/context" >"$work/build.log" 2>&1 ||
	{ cat "$work/build.log"; fail "the image cannot be built"; }

said=$(b inspect --type image --format '{{with .OCIv1.Config}}{{.User}} {{.WorkingDir}} {{.StopSignal}} {{.Entrypoint}} {{.Cmd}} {{len .ExposedPorts}} {{len .Volumes}}{{end}}' localhost/hisgate)
want='10001:10001 /var/lib/hisgate SIGTERM [/usr/local/bin/hisgate] [serve -c /etc/hisgate/hisgate.yaml] 4 1'
[[ $said == "$want" ]] || fail "the image says $said, want $want"

made=$(b from --pull-never --signature-policy "$work/policy.json" localhost/hisgate)
root=$(b mount "$made")
[[ $(stat -c '%u:%g %a' "$root/var/lib/hisgate") == '10001:10001 700' ]] || fail "the data folder is not the user's: $(stat -c '%u:%g %a' "$root/var/lib/hisgate")"
[[ $(find "$root" -type f | wc -l) -eq 3 ]] || fail "the image holds more than program, authorities and licence: $(find "$root" -type f)"
chroot --userspec=10001:10001 "$root" /usr/local/bin/hisgate version

# It starts by its own command line, makes its folder, and ends in order.
mkdir -p "$root/etc/hisgate"
cat >"$root/etc/hisgate/hisgate.yaml" <<YAML
data_dir: /var/lib/hisgate
listen: {grpc: '127.0.0.1:0', http: '127.0.0.1:0', ops: '127.0.0.1:0'}
payment: {enabled: false}
his: {simhis: {url: 'http://127.0.0.1:1'}}
YAML
chroot --userspec=10001:10001 "$root" /usr/local/bin/hisgate serve -c /etc/hisgate/hisgate.yaml 2>"$work/serve.log" &
pid=$!
for _ in $(seq 600); do
	grep -q '"hisgate is up"' "$work/serve.log" && break
	kill -0 "$pid" 2>/dev/null || break
	sleep 0.1
done
grep -q '"hisgate is up"' "$work/serve.log" || { cat "$work/serve.log"; fail "it does not come up"; }
kill -TERM "$pid"
wait "$pid" || { cat "$work/serve.log"; fail "it does not end well"; }
pid=
grep -q '"msg":"stopped"' "$work/serve.log" || { cat "$work/serve.log"; fail "it does not end in order"; }
[[ $(stat -c %u "$root/var/lib/hisgate/MANIFEST") == 10001 ]] || fail "the data is not the user's"
echo "check-image: the image is as it should be, $(du -h "$root/usr/local/bin/hisgate" | cut -f1)B of program; it was run by chroot as user 10001"
