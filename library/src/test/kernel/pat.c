// SPDX-License-Identifier: Apache-2.0
//
// pat: fills a block device with a pattern that names its own place, and checks it.
//
//   pat write DEV SALT START COUNT [SALT START COUNT]...
//   pat check DEV SALT START COUNT [SALT START COUNT]...
//
// Sector s (512 bytes) holds 64 little-endian 64-bit copies of (SALT << 40) + s. COUNT may be
// "-": to the end of the device. Where ranges overlap, the later one counts. `check` compares each
// sector with what the ranges say, prints the first bad ones and the sum, and exits with 1 if there
// is one. Reads and writes are direct, so that the page cache answers for nothing.

#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { SECTOR = 512, WORDS = SECTOR / 8, BATCH = 512, MOST_RANGES = 64, SHOWN = 8 };

struct range {
  uint64_t salt, start, end;
};

static void die(const char *what, const char *name) {
  fprintf(stderr, "pat: %s %s: %s\n", what, name, strerror(errno));
  exit(2);
}

static uint64_t number(const char *text) {
  char *end;
  errno = 0;
  uint64_t value = strtoull(text, &end, 0);
  if (errno || *end || end == text) {
    fprintf(stderr, "pat: '%s' is not a number\n", text);
    exit(2);
  }
  return value;
}

static void fill(uint64_t *words, uint64_t salt, uint64_t sector) {
  for (int i = 0; i < WORDS; i++) words[i] = htole64((salt << 40) + sector);
}

static void write_range(int fd, const char *name, void *room, struct range r) {
  for (uint64_t s = r.start; s < r.end;) {
    uint64_t batch = r.end - s < BATCH ? r.end - s : BATCH;
    for (uint64_t i = 0; i < batch; i++) fill((uint64_t *)room + i * WORDS, r.salt, s + i);
    ssize_t sent = pwrite(fd, room, batch * SECTOR, (off_t)(s * SECTOR));
    if (sent <= 0) {
      fprintf(stderr, "pat: at sector %" PRIu64 "\n", s);
      die("cannot write", name);
    }
    s += (uint64_t)sent / SECTOR;
  }
}

// What a sector shows instead: another salt or sector, if all its words agree.
static void show_bad(uint64_t sector, const uint64_t *words) {
  int same = 1;
  for (int i = 1; i < WORDS; i++) same &= words[i] == words[0];
  uint64_t seen = le64toh(words[0]);
  printf("bad sector %" PRIu64 ": %s salt %" PRIu64 " sector %" PRIu64 "\n", sector,
         same ? "holds" : "mixed, begins with", seen >> 40, seen & ((UINT64_C(1) << 40) - 1));
}

static uint64_t check_sectors(int fd, const char *name, void *room, const struct range *ranges,
                              int count, uint64_t *checked) {
  uint64_t low = UINT64_MAX, high = 0, bad = 0;
  for (int i = 0; i < count; i++) {
    if (ranges[i].start < low) low = ranges[i].start;
    if (ranges[i].end > high) high = ranges[i].end;
  }
  for (uint64_t s = low; s < high;) {
    uint64_t batch = high - s < BATCH ? high - s : BATCH;
    ssize_t got = pread(fd, room, batch * SECTOR, (off_t)(s * SECTOR));
    if (got < SECTOR) {
      fprintf(stderr, "pat: at sector %" PRIu64 "\n", s);
      die("cannot read", name);
    }
    batch = (uint64_t)got / SECTOR;
    for (uint64_t i = 0; i < batch; i++) {
      uint64_t wanted[WORDS];
      int r = count - 1;
      while (r >= 0 && (s + i < ranges[r].start || s + i >= ranges[r].end)) r--;
      if (r < 0) continue;
      fill(wanted, ranges[r].salt, s + i);
      ++*checked;
      if (memcmp(wanted, (char *)room + i * SECTOR, SECTOR) == 0) continue;
      if (bad++ < SHOWN) show_bad(s + i, (uint64_t *)room + i * WORDS);
    }
    s += batch;
  }
  return bad;
}

int main(int argc, char **argv) {
  if (argc < 6 || argc % 3 != 0 || (strcmp(argv[1], "write") && strcmp(argv[1], "check"))) {
    fprintf(stderr, "usage: pat write|check DEV SALT START COUNT [SALT START COUNT]...\n");
    return 2;
  }
  int writes = argv[1][0] == 'w';
  const char *name = argv[2];
  int fd = open(name, (writes ? O_RDWR : O_RDONLY) | O_DIRECT);
  if (fd < 0) die("cannot open", name);
  off_t size = lseek(fd, 0, SEEK_END);
  if (size < 0) die("cannot measure", name);
  struct range ranges[MOST_RANGES];
  int count = 0;
  uint64_t all = 0, bad = 0;
  for (int i = 3; i < argc && count < MOST_RANGES; i += 3, count++) {
    uint64_t start = number(argv[i + 1]);
    uint64_t end = strcmp(argv[i + 2], "-") ? start + number(argv[i + 2]) : (uint64_t)size / SECTOR;
    ranges[count] = (struct range){number(argv[i]), start, end};
  }
  void *room;
  if (posix_memalign(&room, 4096, BATCH * SECTOR)) die("no memory for", name);
  if (writes) {
    for (int i = 0; i < count; i++) {
      write_range(fd, name, room, ranges[i]);
      all += ranges[i].end - ranges[i].start;
    }
    if (fsync(fd)) die("cannot flush", name);
  } else {
    bad = check_sectors(fd, name, room, ranges, count, &all);
  }
  printf("%s %s sectors=%" PRIu64 " bad=%" PRIu64 "\n", argv[1], name, all, bad);
  return bad ? 1 : 0;
}
