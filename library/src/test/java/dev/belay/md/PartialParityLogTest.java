// SPDX-License-Identifier: Apache-2.0
package dev.belay.md;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;

final class PartialParityLogTest {
  private static final UUID UUID_ONE = new UUID(1, 2);

  @Test
  void whatIsWrittenIsRead() throws Exception {
    var entry = new PartialParityLog.Entry(1 << 20, 4096, 8192, 2, 0x12345678);
    var log = new PartialParityLog(PartialParityLog.signature(UUID_ONE), 77, List.of(entry, entry));
    assertThat(PartialParityLog.parse(log.encode(), UUID_ONE, 1 << 20)).isEqualTo(log);
    assertThat(log.lengthBytes()).isEqualTo(4096 + 8192);
    assertThat(PartialParityLog.checksum("123456789".getBytes(StandardCharsets.US_ASCII)))
        .isEqualTo(0xe3069283);
  }

  @Test
  void theLogsOfArraysAtHandAreRead() throws Exception {
    for (var file : HeadFiles.golden()) {
      if (file.toString().contains("ppl")) {
        byte[] member = HeadFiles.unzipped(file);
        Superblock block = HeadFiles.find(member);
        byte[] header = HeadFiles.at(member, (int) block.pplAtBytes().orElseThrow(), 4096);
        PartialParityLog log = PartialParityLog.parse(header, block.uuid(), block.pplBytes());
        assertThat(log.encode()).as("%s", file).isEqualTo(header);
      }
    }
  }

  @Test
  void damageIsASentence() {
    byte[] bytes = PartialParityLog.empty(UUID_ONE, 0).encode();
    assertThatThrownBy(() -> PartialParityLog.parse(bytes, new UUID(3, 4), 4096))
        .hasMessageContaining("signature");
    bytes[600] = 1;
    assertThatThrownBy(() -> PartialParityLog.parse(bytes, UUID_ONE, 4096))
        .isInstanceOf(MetadataException.class)
        .hasMessageContaining("damaged");
    var entry = new PartialParityLog.Entry(0, 4096, 4096, 0, 0);
    var log = new PartialParityLog(PartialParityLog.signature(UUID_ONE), 1, List.of(entry));
    assertThatThrownBy(() -> PartialParityLog.parse(log.encode(), UUID_ONE, 4096))
        .hasMessageContaining("needs 8192");
    var odd = new PartialParityLog.Entry(0, 100, 4096, 0, 0);
    var other = new PartialParityLog(PartialParityLog.signature(UUID_ONE), 1, List.of(odd));
    assertThatThrownBy(() -> PartialParityLog.parse(other.encode(), UUID_ONE, 9999))
        .hasMessageContaining("no sense");
  }
}
