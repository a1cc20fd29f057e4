#!/bin/sh
# In the fetched folder: the security plugin, laid out as its installer would.
set -eu
version=$1
timeout 300 mvn -q -B dependency:copy -Dartifact="org.opensearch.plugin:opensearch-security:$version.0:zip" -DoutputDirectory="$PWD"
mkdir -p plugin
(cd plugin && jar xf ../opensearch-security-*.zip)
rm opensearch-security-*.zip
