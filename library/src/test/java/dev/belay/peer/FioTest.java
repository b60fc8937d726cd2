// SPDX-License-Identifier: Apache-2.0
package dev.belay.peer;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** fio's nbd engine with verification: deep queues, several jobs, each over a part of its own. */
final class FioTest {
  @TempDir Path directory;

  @BeforeAll
  static void needPrograms() throws Exception {
    Programs.need("fio");
    Path here = Files.createTempDirectory("fio");
    Ship.assume(
        Programs.run(here, "fio", "--enghelp").said().contains("nbd"),
        "this fio has no nbd engine");
    Files.delete(here);
  }

  @ParameterizedTest
  @EnumSource(names = {"FILE", "STRIPE", "MD"})
  void everyBlockIsVerified(Stacks stack) throws Exception {
    try (Ship ship = new Ship(directory, stack)) {
      long part = Stacks.BYTES / 4;
      Path jobs = directory.resolve("jobs.fio");
      String common =
          """
          [global]
          ioengine=nbd
          uri=%s
          verify=crc32c
          verify_fatal=1
          verify_backlog=200
          do_verify=1
          group_reporting=1
          size=%d
          [small]
          rw=randrw
          bs=4k
          iodepth=128
          offset=0
          io_size=%d
          [odd]
          rw=randrw
          bsrange=512-20k
          bs_unaligned=1
          iodepth=32
          offset=%d
          io_size=%d
          [large]
          rw=write
          bs=1M
          iodepth=8
          offset=%d
          [mixed]
          rw=randwrite
          bssplit=4k/60:64k/30:256k/10
          iodepth=64
          fsync=50
          offset=%d
          """
              .formatted(ship.uri(), part, part, part, part, 2 * part, 3 * part);
      Files.writeString(jobs, common);
      Programs.Result result = ship.run("fio", jobs.toString());
      assertThat(result.said()).doesNotContain("verify: bad", "error=");
      result.good();
      ship.stop();
      assertThat(ship.ended).hasSizeGreaterThanOrEqualTo(4);
    }
  }
}
