#!/usr/bin/env bash
# The chain as Slurm jobs, each waiting for the one before: slurm/chain.sh [STAGE ...]      default: all of them
# Settings: slurm/cluster.env (CLUSTER=another file). Finished stages do nothing, so submitting again is safe.
# ARGS are options of recipes.run for every stage: ARGS="--set pretrain.checkpoint_every=500" slurm/chain.sh
set -euo pipefail
cd "$(dirname "$0")/.."
die() { printf 'slurm/chain.sh: %s\n' "$*" >&2; exit 1; }
cluster=${CLUSTER:-slurm/cluster.env}
[ -f "$cluster" ] || die "no $cluster: cp slurm/cluster.example.env $cluster, and fill it in"
command -v sbatch >/dev/null || die "no sbatch here: run it on a login node of the cluster"
set -a # the jobs inherit the settings
# shellcheck source=slurm/cluster.example.env
source "$cluster"
set +a

python=${PYTHON:-.venv/bin/python}
[ -x "$python" ] || die "no $python: make setup (outside of a container its first part is enough: requirements/setup.sh core)"
stages=("$@")
if [ ${#stages[@]} -eq 0 ]; then
    read -ra stages <<<"$("$python" -c 'import sys, recipes.loading as l, recipes.stages as s; print(*(stage.name for stage in s.of_all(l.load_recipe(l.Path(sys.argv[1])))))' "$RECIPE")"
fi
nodes=$("$python" -c 'import sys, recipes.loading; print(recipes.loading.load_hardware(sys.argv[1]).nodes)' "$OVERLAY")

logs=${KISHI_RUNS:-runs}/slurm
mkdir -p "$logs"
previous='' ids=()
for stage in "${stages[@]}"; do
    case $stage in
    data | tokenizer | index | expand-model | import-hf | chat-data | report) overlay=$CPU_OVERLAY options=$CPU machines=1 ;;
    pretrain*) overlay=$OVERLAY options=$PRETRAIN machines=$nodes ;;
    *) overlay=$ONE_GPU_OVERLAY options=$ONE_GPU machines=1 ;;
    esac
    # shellcheck disable=SC2086 # options are several words
    id=$(OVERLAY=$overlay sbatch --parsable --job-name="kishi-$stage" $COMMON $options --nodes="$machines" \
        --output="$logs/%x-%j.log" --kill-on-invalid-dep=yes ${previous:+--dependency=afterok:$previous} slurm/train.sbatch "$stage" ${ARGS:-})
    previous=${id%%;*} # ";cluster" follows where there are several
    ids+=("$previous")
    printf '%-10s %s\n' "$previous" "$stage"
done

list=$(IFS=,; echo "${ids[*]}")
cat <<END
watch:   squeue --jobs=$list
         tail -F $logs/kishi-${stages[0]}-${ids[0]}.log
         .venv/bin/python -m recipes.run $RECIPE status
cancel:  scancel ${ids[*]}      (what is done is kept; a running stage saves first)
END
