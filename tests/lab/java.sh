#!/bin/sh
# A server from its published jars: `java.sh NAME` fetches what tests/lab/NAME/pom.xml names, compiles the launcher beside it,
# and prints what was fetched. Everything goes to target/lab/NAME, once; a fetch that failed is tried again after an hour.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
name=$1
lab=${QUARTERDECK_TEST_LAB:-$here/../../target/lab}
mkdir -p "$lab"
to=$lab/$name
version=$(sed -n 's:.*<lab.version>\(.*\)</lab.version>.*:\1:p' "$here/$name/pom.xml")
line="$name $version from Maven Central, run by $(java -version 2>&1 | head -n 1)"
say() { [ "$(cat "$to/ready" 2>/dev/null)" = "$version" ] && echo "$line"; }
say && exit 0
[ -z "$(find "$lab/$name.failed" -mmin -60 2>/dev/null)" ] || exit 1
command -v mvn >/dev/null && command -v javac >/dev/null || exit 1
# Two runs may come here at once.
exec 9>"$lab/$name.lock"
flock 9
say && exit 0
rm -rf "$to" "$lab/$name.failed"
mkdir -p "$to/lib" "$to/classes"
cp "$here/$name/pom.xml" "$to/pom.xml"
fetch() { cd "$to" && timeout 300 mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$to/lib"; }
after() { [ ! -f "$here/$name/after.sh" ] || (cd "$to" && sh "$here/$name/after.sh" "$version"); }
if fetch >"$to/log" 2>&1 && javac -nowarn -d "$to/classes" -cp "$to/lib/*" "$here/$name"/*.java >>"$to/log" 2>&1 && after >>"$to/log" 2>&1; then
  echo "$version" >"$to/ready"
  say
else
  touch "$lab/$name.failed"
  exit 1
fi
