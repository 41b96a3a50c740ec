#!/bin/bash
# A million runs as an array of a hundred jobs: sbatch slurm.sh. A job that was broken off goes on
# where it was when it is queued again.
#SBATCH --job-name=ftvm-campaign
#SBATCH --array=1-100
#SBATCH --cpus-per-task=4
#SBATCH --requeue
set -eu
out=campaign-$SLURM_ARRAY_TASK_ID
exec ftvm campaign smoke.toml --runs 1000000 --jobs "$SLURM_CPUS_PER_TASK" --out "$out" \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --resume
