# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Arrays that something happened to: failed members, halted rebuilds, splits. Read after recipes.sh.

array raid1-degraded 201 "$two" <<'BODY'
create --raid-devices=2 --level=1 --assume-clean --bitmap=none $ALL
t pat write /dev/md0 $SALT 0 -
t mdadm /dev/md0 --fail $D1
t pat write /dev/md0 301 100 600
t pat check /dev/md0 $SALT 0 - 301 100 600
detail /dev/md0
t mdadm --stop /dev/md0
examine $ALL
BODY

array raid6-two-missing 202 "$five" <<'BODY'
create --raid-devices=5 --level=6 --chunk=64 --assume-clean --bitmap=none $ALL
t pat write /dev/md0 $SALT 0 -
t mdadm /dev/md0 --fail $D1
t pat write /dev/md0 302 0 1000
t mdadm /dev/md0 --fail $D3
t pat write /dev/md0 402 900 2001
t pat check /dev/md0 $SALT 0 - 302 0 1000 402 900 2001
detail /dev/md0
t mdadm --stop /dev/md0
examine $D0 $D1 $D3
BODY

array raid10-two-missing 203 "$four" <<'BODY'
create --raid-devices=4 --level=10 --layout=n2 --chunk=64 --assume-clean --bitmap=internal \
  --bitmap-chunk=64K $ALL
t pat write /dev/md0 $SALT 0 -
sleep 22
t mdadm /dev/md0 --fail $D1
t mdadm /dev/md0 --fail $D2
t pat write /dev/md0 303 777 1500
t pat check /dev/md0 $SALT 0 - 303 777 1500
echo "another member of the pair that has lost one: is it let go?"
t mdadm /dev/md0 --fail $D0
detail /dev/md0
t mdadm --stop /dev/md0
examine $D0 $D1
bitmaps $D0 $D1
BODY

array raid1-bitmap-bits 204 "$two" <<'BODY'
create --raid-devices=2 --level=1 --assume-clean --bitmap=internal --bitmap-chunk=64K $ALL
t pat write /dev/md0 $SALT 0 -
sleep 22
bitmaps $D0
t mdadm /dev/md0 --fail $D1 --remove $D1
t pat write /dev/md0 304 300 500
t pat write /dev/md0 404 3000 10
t pat check /dev/md0 $SALT 0 - 304 300 500 404 3000 10
detail /dev/md0
t mdadm --stop /dev/md0
examine $ALL
bitmaps $ALL
BODY
after raid1-bitmap-bits <<'BODY'
t mdadm --assemble --run /dev/md0 $DISKS
detail /dev/md0
t mdadm /dev/md0 --re-add $(disk 1)
settle md0
detail /dev/md0
sleep 22
bitmaps $DISKS
dmesg | grep md
t mdadm --stop /dev/md0
BODY

array raid5-readded 205 "$three" <<'BODY'
create --raid-devices=3 --level=5 --chunk=64 --assume-clean --bitmap=internal \
  --bitmap-chunk=64K $ALL
t pat write /dev/md0 $SALT 0 -
sleep 22
t mdadm /dev/md0 --fail $D1 --remove $D1
t pat write /dev/md0 305 1000 1000
t mdadm /dev/md0 --re-add $D1
settle md0
t pat check /dev/md0 $SALT 0 - 305 1000 1000
scrub
detail /dev/md0
t mdadm --stop /dev/md0
examine $D0 $D1
bitmaps $D1
BODY

array raid5-rebuilt 206 "$four" <<'BODY'
create --raid-devices=3 --level=5 --chunk=64 --assume-clean --bitmap=none $D0 $D1 $D2
t pat write /dev/md0 $SALT 0 -
t mdadm /dev/md0 --fail $D1 --remove $D1
t pat write /dev/md0 306 50 2000
t mdadm /dev/md0 --add $D3
settle md0
t pat check /dev/md0 $SALT 0 - 306 50 2000
detail /dev/md0
t mdadm --stop /dev/md0
examine $ALL
BODY

array raid5-rebuild-half 207 "5120 5120 5120 5120" <<'BODY'
create --raid-devices=3 --level=5 --chunk=64 --assume-clean --bitmap=none $D0 $D1 $D2
t pat write /dev/md0 $SALT 0 -
t mdadm /dev/md0 --fail $D1 --remove $D1
speed 200
t mdadm /dev/md0 --add $D3
sleep 9
t pat write /dev/md0 307 200 100 307 15000 100
progress
detail /dev/md0
t pat check /dev/md0 $SALT 0 - 307 200 100 307 15000 100
echo frozen >/sys/block/md0/md/sync_action
t mdadm --stop /dev/md0
speed
examine $D0 $D3
BODY
after raid5-rebuild-half <<'BODY'
wake
t pat check /dev/md0 207 0 - 307 200 100 307 15000 100
scrub
t mdadm --stop /dev/md0
BODY

array raid1-resync-half 208 "5120 5120" <<'BODY'
speed 200
echo "the members hold other things first: pat's salt 8 and 9"
pat write $D0 8 0 -
pat write $D1 9 0 -
create --raid-devices=2 --level=1 --bitmap=none $ALL
t pat write /dev/md0 $SALT 0 1000 $SALT 7000 500
sleep 9
progress
detail /dev/md0
t pat check /dev/md0 $SALT 0 1000 $SALT 7000 500
echo frozen >/sys/block/md0/md/sync_action
t mdadm --stop /dev/md0
speed
examine $D0 $D1
BODY
after raid1-resync-half <<'BODY'
wake
t pat check /dev/md0 208 0 1000 208 7000 500
scrub
t mdadm --stop /dev/md0
BODY

array raid6-resync-half 209 "5120 5120 5120 5120" <<'BODY'
speed 200
for disk in $ALL; do pat write $disk 9 0 -; done
echo "every member held pat's salt 9 first"
create --raid-devices=4 --level=6 --chunk=64 --bitmap=none $ALL
t pat write /dev/md0 $SALT 0 1000 $SALT 15000 500
sleep 9
progress
detail /dev/md0
t pat check /dev/md0 $SALT 0 1000 $SALT 15000 500
echo frozen >/sys/block/md0/md/sync_action
t mdadm --stop /dev/md0
speed
examine $D0 $D3
BODY

array raid5-spare 210 "$four" <<'BODY'
create --raid-devices=3 --spare-devices=1 --level=5 --chunk=64 --assume-clean --bitmap=none $ALL
t pat write /dev/md0 $SALT 0 -
detail /dev/md0
t pat check /dev/md0 $SALT 0 -
t mdadm --stop /dev/md0
examine $D0 $D3
BODY

array raid5-missing 211 "$two" <<'BODY'
create --raid-devices=3 --level=5 --chunk=64 --bitmap=none $D0 missing $D1
t pat write /dev/md0 $SALT 0 -
detail /dev/md0
t pat check /dev/md0 $SALT 0 -
t mdadm --stop /dev/md0
examine $D0 $D1
BODY

array raid10-replace-half 212 "5120 5120 5120 5120 5120" <<'BODY'
create --raid-devices=4 --level=10 --layout=n2 --chunk=64 --assume-clean --bitmap=none $D0 $D1 \
  $D2 $D3
t pat write /dev/md0 $SALT 0 -
t mdadm /dev/md0 --add-spare $D4
speed 200
t mdadm /dev/md0 --replace $D1 --with $D4
sleep 9
t pat write /dev/md0 312 100 300 312 15000 200
progress
detail /dev/md0
t pat check /dev/md0 $SALT 0 - 312 100 300 312 15000 200
echo frozen >/sys/block/md0/md/sync_action
t mdadm --stop /dev/md0
speed
examine $D0 $D1 $D4
BODY
after raid10-replace-half <<'BODY'
wake
t pat check /dev/md0 212 0 - 312 100 300 312 15000 200
scrub
detail /dev/md0
t mdadm --stop /dev/md0
examine $(disk 1) $(disk 4)
BODY

array raid5-replaced 213 "$four" <<'BODY'
create --raid-devices=3 --level=5 --chunk=64 --assume-clean --bitmap=none $D0 $D1 $D2
t pat write /dev/md0 $SALT 0 -
t mdadm /dev/md0 --add-spare $D3
t mdadm /dev/md0 --replace $D1 --with $D3
settle md0
sleep 1
t pat write /dev/md0 313 100 300
detail /dev/md0
t pat check /dev/md0 $SALT 0 - 313 100 300
t mdadm --stop /dev/md0
examine $D0 $D1 $D3
BODY

array raid1-bad-blocks 214 "$two" <<'BODY'
create --raid-devices=2 --level=1 --assume-clean --bitmap=none $ALL
t pat write /dev/md0 $SALT 0 -
for entry in "2148 8" "3100 1" "2500 512"; do
  echo "+ echo $entry > /sys/block/md0/md/rd0/bad_blocks"
  echo "$entry" >/sys/block/md0/md/rd0/bad_blocks
done
echo "+ echo 2060 16 > /sys/block/md0/md/rd1/bad_blocks"
echo "2060 16" >/sys/block/md0/md/rd1/bad_blocks
t pat write /dev/md0 314 1500 8
t pat check /dev/md0 $SALT 0 - 314 1500 8
detail /dev/md0
t mdadm --stop /dev/md0
echo "what the lists name is overwritten on the members, so that reading it shows:"
t pat write $D0 77 2148 8 77 3100 1 77 2500 512
t pat write $D1 77 2060 16
examine $D0 $D1
for disk in $ALL; do mdadm --examine-badblocks $disk; done
BODY
after raid1-bad-blocks <<'BODY'
t mdadm --assemble --run --readonly /dev/md0 $DISKS
t pat check /dev/md0 214 0 - 314 1500 8
t mdadm --stop /dev/md0
t mdadm --assemble --run /dev/md0 $DISKS
t pat write /dev/md0 214 98 12
t pat check /dev/md0 214 0 - 314 1500 8
t mdadm --stop /dev/md0
for disk in $DISKS; do mdadm --examine-badblocks $disk; done
echo "one alone:"
t mdadm --assemble --run --readonly /dev/md0 $(disk 0)
t pat check /dev/md0 214 0 -
BODY

array raid5-bad-blocks 215 "$three" <<'BODY'
create --raid-devices=3 --level=5 --chunk=64 --assume-clean --bitmap=none $ALL
t pat write /dev/md0 $SALT 0 -
echo "+ echo 2176 40 > /sys/block/md0/md/rd1/bad_blocks"
echo "2176 40" >/sys/block/md0/md/rd1/bad_blocks
t pat check /dev/md0 $SALT 0 -
t pat write /dev/md0 $SALT 3000 8
t mdadm --stop /dev/md0
echo "what the lists name is overwritten on the members, so that reading it shows:"
t pat write $D1 77 2176 40
examine $D0 $D1
for disk in $ALL; do mdadm --examine-badblocks $disk; done
BODY
after raid5-bad-blocks <<'BODY'
t mdadm --assemble --run --readonly /dev/md0 $DISKS
t pat check /dev/md0 215 0 -
t mdadm --stop /dev/md0
t mdadm --assemble --run /dev/md0 $DISKS
scrub
t pat check /dev/md0 215 0 -
t mdadm --stop /dev/md0
for disk in $DISKS; do mdadm --examine-badblocks $disk; done
BODY

array raid1-write-mostly 216 "$three" <<'BODY'
create --raid-devices=3 --level=1 --assume-clean --bitmap=internal --write-behind=16 $D0 \
  --write-mostly $D1 $D2
t pat write /dev/md0 $SALT 0 -
detail /dev/md0
t pat check /dev/md0 $SALT 0 -
t mdadm --stop /dev/md0
examine $D0 $D1 $D2
bitmaps $D0
BODY

array raid1-failfast 217 "$two" <<'BODY'
create --raid-devices=2 --level=1 --assume-clean --bitmap=none --failfast $ALL
t pat write /dev/md0 $SALT 0 -
detail /dev/md0
t pat check /dev/md0 $SALT 0 -
t mdadm --stop /dev/md0
examine $D0
BODY

array raid1-split 218 "$two" <<'BODY'
create --raid-devices=2 --level=1 --assume-clean --bitmap=none $ALL
t pat write /dev/md0 $SALT 0 -
t mdadm --stop /dev/md0
t mdadm --assemble --run /dev/md0 $D0
t pat write /dev/md0 318 0 100
t mdadm --stop /dev/md0
t mdadm --assemble --run /dev/md0 $D1
t pat write /dev/md0 418 200 100
t mdadm --stop /dev/md0
examine $D0 $D1
echo "both together:"
t mdadm --assemble /dev/md0 $ALL
cat /proc/mdstat
BODY
after raid1-split <<'BODY'
t mdadm --assemble /dev/md0 $(disk 1) $(disk 0)
cat /proc/mdstat
mdadm --stop /dev/md0
t mdadm --assemble --force /dev/md0 $DISKS
cat /proc/mdstat
BODY

array raid5-journal 219 "$four" <<'BODY'
create --raid-devices=3 --level=5 --chunk=64 --assume-clean $D0 $D1 $D2 --write-journal $D3
t pat write /dev/md0 $SALT 0 -
detail /dev/md0
t pat check /dev/md0 $SALT 0 -
t mdadm --stop /dev/md0
examine $D0 $D3
BODY

array raid5-reshape-half 220 "8192 8192 8192 8192" <<'BODY'
create --raid-devices=3 --level=5 --chunk=64 --size=3072 --data-offset=4M --assume-clean \
  --bitmap=none $D0 $D1 $D2
t pat write /dev/md0 $SALT 0 -
t mdadm /dev/md0 --add-spare $D3
speed 200
t mdadm --grow /dev/md0 --raid-devices=4
sleep 9
progress
detail /dev/md0
echo frozen >/sys/block/md0/md/sync_action
t mdadm --stop /dev/md0
speed
examine $D0 $D3
BODY

# The plug, pulled in the middle of writes; one member lags behind, so that the members do differ.
dirty() {
  local name=$1 dirty_salt=$2 sizes=$3 count
  shift 3
  count=$(wc -w <<<"$sizes")
  plug "$name" "$dirty_salt" "$sizes" 1:400000 <<BODY
create --raid-devices=$count $* --assume-clean \$ALL
t pat write /dev/md0 \$SALT 0 -
sleep 22
part=\$((\$(cat /sys/block/md0/size) / 3))
echo "drive 1 is slow. The first half of each third (a third is \$part sectors)"
echo "gets salt \$((SALT + 100)), in three threads; meanwhile"
for start in 0 1 2; do
  pat write /dev/md0 \$((SALT + 100)) \$((start * part)) \$((part / 2)) >/dev/null &
done
usleep 700000
pull
BODY
  after "$name" <<BODY
examine \$DISKS
bitmaps \$DISKS
wake || wake --force
old_and_new /dev/md0 $dirty_salt $((dirty_salt + 100))
scrub
t mdadm --stop /dev/md0
BODY
}
dirty raid1-dirty 221 "$two" --level=1 --bitmap=none
dirty raid1-dirty-bitmap 222 "$two" --level=1 --bitmap=internal --bitmap-chunk=64K
dirty raid5-dirty 223 "$three" --level=5 --chunk=64 --bitmap=none
dirty raid5-dirty-bitmap 224 "$three" --level=5 --chunk=64 --bitmap=internal --bitmap-chunk=64K
dirty raid5-dirty-ppl 225 "$three" --level=5 --chunk=64 --consistency-policy=ppl
dirty raid6-dirty-bitmap 226 "$four" --level=6 --chunk=64 --bitmap=internal --bitmap-chunk=64K
dirty raid10-dirty-bitmap 227 "$four" --level=10 --chunk=64 --bitmap=internal --bitmap-chunk=64K

# Dirty and short of a member: what had no redundancy may be torn; a PPL mends it.
dirty_degraded() {
  local name=$1 dirty_salt=$2
  shift 2
  plug "$name" "$dirty_salt" "$three" 1:400000 <<BODY
create --raid-devices=3 $* --assume-clean \$ALL
t pat write /dev/md0 \$SALT 0 -
t mdadm /dev/md0 --fail \$D2
echo "drive 1 is slow. Sectors from 0 on get salt \$((SALT + 100)); meanwhile"
pat write /dev/md0 \$((SALT + 100)) 0 - >/dev/null &
sleep 1
pull
BODY
  after "$name" <<BODY
examine \$DISKS
wake || wake --force
old_and_new /dev/md0 $dirty_salt $((dirty_salt + 100))
t mdadm --stop /dev/md0
BODY
}
dirty_degraded raid5-dirty-degraded 228 --level=5 --chunk=64 --bitmap=none
dirty_degraded raid5-dirty-degraded-ppl 229 --level=5 --chunk=64 --consistency-policy=ppl

# The write hole: only the first chunk of each of 16 stripes was being written. The second chunks are
# bystanders, and must read as before with any member left out: parity alone cannot promise that.
hole() {
  local name=$1 hole_salt=$2
  shift 2
  plug "$name" "$hole_salt" "$three" 1:200000 <<BODY
create --raid-devices=3 --level=5 --chunk=64 --assume-clean $* \$ALL
t pat write /dev/md0 \$SALT 0 -
sleep 5
echo "drive 1 is slow. Of the first 16 stripes (256 sectors each), the first 128 sectors"
echo "get salt \$((SALT + 100)), in four threads; meanwhile"
for thread in 0 1 2 3; do
  for stripe in 0 1 2 3; do
    pat write /dev/md0 \$((SALT + 100)) \$((thread * 1024 + stripe * 256)) 128 >/dev/null
  done &
done
usleep 700000
pull
BODY
  after "$name" <<BODY
for victim in 0 1 2; do
  rest=
  for member in 0 1 2; do
    cp "\$(disk \$member)" /run/copy\$member
    losetup /dev/loop\$member /run/copy\$member
    [ \$member = \$victim ] || rest="\$rest /dev/loop\$member"
  done
  echo "without member \$victim:"
  mdadm --assemble --run /dev/md0 \$rest 2>&1 ||
    mdadm --assemble --run --force /dev/md0 \$rest 2>&1
  bystanders=
  for stripe in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    bystanders="\$bystanders $hole_salt \$((stripe * 256 + 128)) 128"
  done
  pat check /dev/md0 \$bystanders | tail -n 1
  mdadm --stop /dev/md0 2>&1
  for member in 0 1 2; do losetup -d /dev/loop\$member; done
done
BODY
}
hole raid5-hole 230 --bitmap=none
hole raid5-hole-ppl 231 --consistency-policy=ppl
