#!/bin/sh
# In the fetched folder: the analyzer's jars, beside its descriptor, are what its installer would lay out.
set -eu
version=$1
mkdir -p plugin
mv lib/analysis-icu-client-*.jar lib/lucene-analyzers-icu-*.jar lib/icu4j-*.jar plugin/
cat >plugin/plugin-descriptor.properties <<END
name=analysis-icu
description=The ICU analyzer
version=$version
elasticsearch.version=$version
java.version=1.8
classname=org.elasticsearch.plugin.analysis.icu.AnalysisICUPlugin
END
