#!/usr/bin/env bash
# Builds the files of a release in bin/release: an archive for each architecture, the sources with
# the container files, an SBOM, and SHA256SUMS. In: a prepared clone without changes. ARCHS="amd64"
# builds fewer. The same commit on the same machine gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$(sed -n 's/^const Version = "\(.*\)"/\1/p' internal/build/build.go)
revision=$(git describe --always --dirty --abbrev=40)
time=$(git log -1 --format=%ct)
out=bin/release
flags="-s -w -X rdrec/internal/build.revision=$revision"
export GOFLAGS='-trimpath -buildvcs=false'

if [[ $revision == *-dirty ]]; then
  echo "error: the tree has changes that are not committed" >&2
  echo "hint: commit or stash them; a release is built from a commit" >&2
  exit 1
fi

# archive writes a folder of $out as a .tar.gz whose bytes depend on its content alone.
archive() {
  tar -C "$out" --sort=name --mtime="@$time" --owner=0 --group=0 --numeric-owner -cf - "$1" | gzip -n -9 > "$out/$1.tar.gz"
  rm -rf "${out:?}/$1"
}

# own_library_path replaces the folder of this machine's libtorch in a program's library search path
# by /opt/rdrec/lib/rdrec, padded to the same length. $ORIGIN/../lib/rdrec follows it.
own_library_path() {
  local found want=/opt/rdrec/lib/rdrec
  found=$(readelf -d "$1" | sed -n 's/.*R[UN]*PATH.*\[\(.*\)\]/\1/p' | tr ':' '\n' | grep -m 1 '^/' || true)
  if [[ -z $found ]]; then return; fi
  while ((${#want} < ${#found})); do want+=/; done
  if ((${#want} > ${#found})); then
    echo "error: the path of libtorch is too short to be replaced: $found" >&2
    exit 1
  fi
  LC_ALL=C sed -i "s|$found|$want|g" "$1"
}

rm -rf "$out"
for arch in ${ARCHS:-amd64 arm64}; do
  name=rdrec-$version-linux-$arch
  mkdir -p "$out/$name/bin" "$out/$name/lib/rdrec"
  for program in starter setup; do
    echo "==> $name: $program"
    CGO_ENABLED=0 GOOS=linux GOARCH=$arch go build -ldflags "$flags" -o "$out/$name/bin/" "./$program"
  done
  if [[ $arch == "$(go env GOHOSTARCH)" ]]; then
    echo "==> $name: worker"
    go build -ldflags "$flags -extldflags \"-Wl,-rpath,\$ORIGIN/../lib/rdrec\"" -o "$out/$name/bin/" ./worker
    own_library_path "$out/$name/bin/worker"
  else
    echo "    $name has no worker: it links C++ (libtorch, DuckDB); run make release on a machine with $arch"
  fi
  cp tools/release/INSTALL.md "$out/$name/"
  git archive HEAD README.md LICENSE NOTICE CHANGELOG.md SECURITY.md docs deploy experiments temporal-dev.yaml |
    tar -x -C "$out/$name" --exclude='*.go'
  archive "$name"
done

echo "==> sources with the container files, SBOM, checksums"
git archive --format=tar --prefix="rdrec-$version/" HEAD | gzip -n -9 > "$out/rdrec-$version-source.tar.gz"
cp bin/sbom.json "$out/rdrec-$version.cdx.json"
(cd "$out" && sha256sum -- *.tar.gz *.json > SHA256SUMS && ls -l --time-style=+ | awk 'NF > 4 {print $5, $NF}' && cat SHA256SUMS)
