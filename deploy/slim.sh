#!/bin/sh
# Takes out of the virtual environment $1 what no run needs: packages' own tests, PyTorch's test programs, sources of what
# is compiled, compiled forms of modules that are hardly ever imported. Where it is the build for the processor, which
# compiles nothing, also PyTorch's headers, and libraries' symbols. What auditwheel has patched, which shows in its
# run-time path, does not bear that; of two that do it is worth while.
set -eu
cd "$1"/lib/python3.*/site-packages
find . -type d \( -name tests -o -name test \) -not -path './torch/testing/*' -prune -exec rm -rf {} +
rm -rf torch/bin/*[Tt]est* torch/bin/protoc* torch/lib/libtorchbind_test.so
find transformers/models diffusers/pipelines diffusers/models/transformers sympy networkx -name '*.pyc' -delete
if [ ! -e "$1/torch-cuda" ]; then
  rm -rf torch/include torch/share
  find . -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.cpp' -o -name '*.c' -o -name '*.h' -o -name '*.a' \) -delete
  find . -type f -name '*.so*' | while read -r library; do
    readelf --dynamic "$library" | grep -q 'R.*PATH' || strip --strip-unneeded "$library"
  done
  strip --strip-unneeded torch/lib/libtorch_cpu.so ctranslate2/_ext.*.so
fi
