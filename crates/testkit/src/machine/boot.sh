# A machine in namespaces: this host's own files under an overlay, systemd as its first process.
# boot.sh FOLDER NAME SHARED…
set -eu
folder=$1
name=$2
mount --make-rprivate /
for group in /sys/fs/cgroup/*/; do
  # Its processors would have to be named first.
  case $group in */cpuset/) continue ;; esac
  [ -e "$group/cgroup.procs" ] || continue
  mkdir -p "$group/$name"
  echo $$ > "$group/$name/cgroup.procs"
done
exec unshare --cgroup --uts --ipc --pid --mount --fork --kill-child sh "$folder/inside.sh" "$@"
