#!/bin/sh
# Say how the Slurm job $1 is: running, success or failed. A controller that does not answer is asked again, for 10 minutes.
for _ in $(seq 60); do
  if state=$(squeue --noheader --states=all --jobs="$1" --format=%T 2>&1); then
    case $state in
      COMPLETED) echo success ;;
      PENDING | RUNNING | CONFIGURING | COMPLETING | SUSPENDED | REQUEUED | RESIZING | SIGNALING | STAGE_OUT | STOPPED) echo running ;;
      *) echo failed ;; # cancelled, failed, timed out, out of memory, node lost; or forgotten by Slurm
    esac
    exit
  fi
  case $state in *"Invalid job id"*) echo failed; exit ;; esac
  sleep 10
done
echo failed
