# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2086,SC3012
# What judge runs in the guest. $RANGES are pat's arguments; $ONLY_READ, $FORCE,
# $MISSING, $DEGRADE as judge says.

verdict=0
wrong() {
  echo "WRONG: $*"
  verdict=1
}

kernel_says() {
  dmesg -c | grep -E 'md' | sed -E 's/^\[ *[0-9.]+\] /  kernel: /'
}

# Assembles the members $@ as /dev/md0 and checks the content; says so, and leaves nothing behind.
read_without() {
  left_out=$1
  shift
  if mdadm --assemble --run --readonly /dev/md0 "$@" >/run/assembled 2>&1; then
    if pat check /dev/md0 $RANGES >/run/checked; then
      echo "without $left_out: $(cat /run/checked)"
    else
      wrong "without $left_out: $(cat /run/checked)"
    fi
    mdadm --stop /dev/md0 >/dev/null 2>&1
  else
    echo "without $left_out: not assembled: $(cat /run/assembled)"
    mdadm --stop /dev/md0 >/dev/null 2>&1
  fi
  dmesg -c >/dev/null
}

read_without_each() {
  for first in $DISKS; do
    rest=
    for disk in $DISKS; do [ "$disk" = "$first" ] || rest="$rest $disk"; done
    read_without "$first" $rest
    [ "$level" = raid6 ] || continue
    for second in $rest; do
      both=
      [ "$first" \< "$second" ] || continue
      for disk in $rest; do [ "$disk" = "$second" ] || both="$both $disk"; done
      read_without "$first $second" $both
    done
  done
}

scrub() {
  [ -e /sys/block/md0/md/sync_action ] || return 0
  echo check >/sys/block/md0/md/sync_action
  settle md0
  mismatches=$(cat /sys/block/md0/md/mismatch_cnt)
  echo "scrub $1: mismatch_cnt $mismatches"
  [ "$mismatches" = 0 ] || wrong "the scrub $1 found $mismatches sectors that do not agree"
}

# A few sectors at the beginning, odd ones in the middle, and the end.
write_some() {
  new=$((${RANGES%% *} + 1000))
  all=$(cat /sys/block/md0/size)
  written="$new 0 300 $new $((all / 2 - 77)) 155 $new $((all - 19)) 19"
  pat write /dev/md0 $written || wrong "the kernel could not write"
  RANGES="$RANGES $written"
}

# The first member in use fails, misses a write, and comes back.
fail_and_return() {
  victim=$(mdadm --detail /dev/md0 | grep 'active sync' | grep -o '/dev/vd.*' | head -n 1)
  if ! mdadm /dev/md0 --fail "$victim"; then
    wrong "$victim could not be failed"
    return
  fi
  new=$((${RANGES%% *} + 2000))
  all=$(cat /sys/block/md0/size)
  written="$new $((all / 3 - 11)) 222 $new $((all - 700)) 5"
  pat write /dev/md0 $written || wrong "the kernel could not write, degraded"
  RANGES="$RANGES $written"
  pat check /dev/md0 $RANGES || wrong "the content, degraded"
  mdadm /dev/md0 --remove "$victim"
  mdadm /dev/md0 --re-add "$victim" || mdadm /dev/md0 --add "$victim" ||
    wrong "$victim did not come back"
  settle md0
  mdadm --detail /dev/md0 | grep -E 'State|Events|/dev/vd|removed'
  kernel_says
  pat check /dev/md0 $RANGES || wrong "the content, after $victim came back"
  scrub "after $victim came back"
}

dmesg -c >/dev/null
case $DISKS in *' '*) ;; *) echo "judge: fewer than two images" ;; esac
[ -z "$ONLY_READ" ] || mode=--readonly
if ! mdadm --assemble --run $FORCE ${mode:-} /dev/md0 $DISKS; then
  kernel_says
  for disk in $DISKS; do mdadm --examine "$disk"; done
  exit 2
fi
kernel_says
level=$(cat /sys/block/md0/md/level)
mdadm --detail /dev/md0
pat check /dev/md0 $RANGES || wrong "the content, as first read"
if [ -z "$ONLY_READ" ]; then
  settle md0
  kernel_says
  scrub "before writing"
  write_some
  pat check /dev/md0 $RANGES || wrong "the content, after the kernel wrote"
  scrub "after writing"
  mdadm --detail /dev/md0 | grep -E 'State|Events|faulty|removed|spare'
fi
if [ -n "$DEGRADE" ]; then fail_and_return; fi
mdadm --stop /dev/md0 || wrong "it did not stop"
kernel_says
[ -z "$MISSING" ] || read_without_each
for disk in $DISKS; do
  mdadm --examine "$disk" | grep -E '^/|State|Events|Checksum|Role|Offset|Feature|Bad Block'
  mdadm --examine-bitmap "$disk" 2>/dev/null | grep -E 'Events|Bitmap :'
done
[ "$verdict" = 0 ] && echo "JUDGED: right"
exit "$verdict"
