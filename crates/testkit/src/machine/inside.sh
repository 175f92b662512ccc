# The second half of boot.sh, in the namespaces: mounts everything, and becomes systemd.
set -eu
folder=$1
name=$2
shift 2
root=$folder/root
mount -t overlay overlay \
  -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$root"
mount -t proc proc "$root/proc"
mount --bind "$folder/boot_id" "$root/proc/sys/kernel/random/boot_id"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
for group in cpu cpuacct cpuset memory devices freezer blkio pids; do
  mkdir "$root/sys/fs/cgroup/$group"
  mount -t cgroup -o "$group" cgroup "$root/sys/fs/cgroup/$group" ||
    rmdir "$root/sys/fs/cgroup/$group"
done
mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/unified"
mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
for device in null zero full random urandom tty kmsg; do
  [ -e "/dev/$device" ] || continue
  : > "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
for shared in "$@"; do
  mkdir -p "$root$shared"
  mount --bind "$shared" "$root$shared"
done
cd "$root"
mkdir -p old
hostname "$name"
pivot_root . old
umount -l /old
exec env -i container=namespaces PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
  /lib/systemd/systemd --show-status=no < /dev/null
