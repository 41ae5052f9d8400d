#!/bin/sh
# Everything that only a machine with a GPU can show, in one JSON: device, versions, each check with
# ok, failed or skipped, why and seconds, and the rows of the benchmarks. It goes on after a failure
# and ends with 1 if anything failed. It needs no network, no encoder, and less than 8 minutes.
#
#   benchmarks/gpu_check.sh [--python PYTHON] [--wheels FOLDER] [OPTIONS]
#
# --python   A Python that has torch with CUDA and, for all that thinc does, CuPy: python3 by default.
#            Whatever versions it has are used.
# --wheels   Wheels of what it lacks. They are put beside it, not into it, without their
#            dependencies: leave out torch, and name every one.
# OPTIONS    See python -m benchmarks.gpu.check --help: --out gpu.json, --device cpu, ...
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
python=python3
wheels=
while [ $# -gt 0 ]; do
    case $1 in
        --python) python=$2; shift 2 ;;
        --wheels) wheels=$(cd "$2" && pwd); shift 2 ;;
        *) break ;;
    esac
done
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
if [ -n "$wheels" ]; then
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir \
        --target "$site" "$wheels"/*.whl
fi
export PYTHONPATH="$root:$site${PYTHONPATH:+:$PYTHONPATH}" HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
# spaCy finds what this package registers by its entry points.
(cd "$root" && "$python" setup.py --quiet egg_info --egg-base "$site")
"$python" -m benchmarks.gpu.check "$@"
