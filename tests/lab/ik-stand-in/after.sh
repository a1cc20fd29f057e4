#!/bin/sh
# In the fetched folder: `home` becomes the distribution, `plugin.zip` what its plugin tool installs.
set -eu
version=$1
(mkdir unpacked && cd unpacked && jar xf ../lib/elasticsearch-"$version".zip)
mv unpacked/elasticsearch-"$version" home
chmod 755 home/bin/*
mkdir part zip
(cd part && jar xf ../lib/ik-analyzer-*.jar)
# The small dictionary of the two: the large one wants more memory than a test's node has.
rm part/dict/main_dic_2020.dic
printf '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE properties SYSTEM "http://java.sun.com/dtd/properties.dtd">\n<properties>\n<entry key="use_main_dict">false</entry>\n<entry key="ext_dict">dict/main2012.dic;</entry>\n</properties>\n' >part/IKAnalyzer.cfg.xml
# Not on the class path as well: a node refuses what is there twice.
mv classes/StandIn*.class part/
jar cf zip/stand-in.jar -C part .
cat >zip/plugin-descriptor.properties <<END
name=analysis-ik
description=A stand-in for IK Analyzer for Elasticsearch
version=$version
elasticsearch.version=$version
java.version=1.8
classname=StandIn
END
# As the real one has it: without --batch the plugin tool would wait for a yes.
printf 'grant {\n  permission java.lang.RuntimePermission "getClassLoader";\n};\n' >zip/plugin-security.policy
jar cfM plugin.zip -C zip .
rm -rf unpacked part zip lib
