# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2086
# The arrays that make-arrays makes. plain, array and plug are its words; bodies run in the guest.

five="3072 3072 3072 3072 3072"
four="3072 3072 3072 3072"
three="3072 3072 3072"
two="3072 3072"

small="2048 2048 2048 2048"
clean="--assume-clean --bitmap=none"

# Ten stripes: each rotation at least twice.
salt=100
rotations="left-asymmetric right-asymmetric left-symmetric right-symmetric parity-first parity-last"
for layout in $rotations; do
  plain "raid5-$layout" $((salt += 1)) "$small" --level=5 --layout=$layout --chunk=64 --size=640 \
    $clean
done
for layout in $rotations ddf-zero-restart ddf-N-restart ddf-N-continue left-asymmetric-6 \
  right-asymmetric-6 left-symmetric-6 right-symmetric-6 parity-first-6; do
  plain "raid6-$layout" $((salt += 1)) "$small 2048" --level=6 --layout=$layout --chunk=64 \
    --size=640 $clean
done
plain raid4 145 "$three" --level=4 --chunk=64 $clean
for layout in n2 f2 o2; do
  plain "raid10-$layout-4" $((salt += 1)) "$four" --level=10 --layout=$layout --chunk=64 $clean
  plain "raid10-$layout-3" $((salt += 1)) "$three" --level=10 --layout=$layout --chunk=64 $clean
done
plain raid10-n3-4 130 "$four" --level=10 --layout=n3 --chunk=64 $clean
plain raid10-f3-5 131 "$five" --level=10 --layout=f3 --chunk=32 $clean
plain raid10-o3-5 132 "$five" --level=10 --layout=o3 --chunk=16 $clean
plain raid10-n2-2 133 "$two" --level=10 --layout=n2 --chunk=64 $clean
plain raid10-f2-2 134 "$two" --level=10 --layout=f2 --chunk=64 $clean
plain raid1-3 135 "$three" --level=1 $clean
plain raid0-3 136 "$three" --level=0 --chunk=64
plain raid0-original 137 "2560 4608 3584" --level=0 --layout=original --chunk=64
plain raid0-alternate 138 "2560 4608 3584" --level=0 --layout=alternate --chunk=64
array raid0-unset 139 "2560 4608 3584" <<'BODY'
echo 2 >/sys/module/raid0/parameters/default_layout
create --raid-devices=3 --level=0 --layout=dangerous --chunk=64 $ALL
t pat write /dev/md0 $SALT 0 -
t pat check /dev/md0 $SALT 0 -
t mdadm --stop /dev/md0
echo "with raid0.default_layout=2 (alternate) the kernel started it; now without:"
echo 0 >/sys/module/raid0/parameters/default_layout
t mdadm --assemble /dev/md0 $ALL
cat /proc/mdstat
examine $D0
BODY

for metadata in 1.0 1.1; do
  plain "raid5-metadata-$metadata" $((salt += 20)) "$three" --level=5 --metadata=$metadata \
    --chunk=64 $clean
  plain "raid1-metadata-$metadata" $((salt += 1)) "$two" --level=1 --metadata=$metadata \
    --assume-clean --bitmap=internal --bitmap-chunk=64K
  plain "raid10-metadata-$metadata" $((salt += 1)) "$four" --level=10 --metadata=$metadata \
    --chunk=32 $clean
done
plain raid1-metadata-0.90 181 "$two" --level=1 --metadata=0.90 $clean

plain raid1-bitmap 171 "$two" --level=1 --assume-clean --bitmap=internal
plain raid5-bitmap 172 "$three" --level=5 --chunk=16 --assume-clean --bitmap=internal \
  --bitmap-chunk=64K
plain raid6-bitmap 173 "$four" --level=6 --chunk=128 --assume-clean --bitmap=internal \
  --bitmap-chunk=128K
plain raid10-bitmap 174 "$four" --level=10 --chunk=4 --assume-clean --bitmap=internal \
  --bitmap-chunk=32K
plain raid5-ppl 175 "$three" --level=5 --chunk=64 --assume-clean --consistency-policy=ppl
plain raid5-uneven 176 "3072 3500 4001 3333" --level=5 --chunk=64 $clean
plain raid6-size 177 "$five" --level=6 --chunk=64 --size=1000 $clean
plain raid5-chunk-512 178 "5120 5120 5120" --level=5 --chunk=512 $clean
