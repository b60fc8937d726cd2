// SPDX-License-Identifier: Apache-2.0
package dev.belay.nbd;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/** Conversations that were recorded between real programs, and how to feed the machines. */
final class Talk {
  /** Whose tests there are: FIRST-of-SECOND, a client and a server. */
  static final List<String> RECORDED =
      List.of(
          "fio-of-nbdkit",
          "nbdcopy-of-qemu",
          "nbdinfo-list-of-nbdkit",
          "nbdinfo-list-of-qemu",
          "nbdinfo-map-of-qemu",
          "nbdinfo-missing-of-qemu",
          "nbdinfo-of-nbdkit",
          "qemu-img-map-of-nbdkit",
          "qemu-img-map-of-qemu",
          "qemu-io-of-nbdkit");

  /** What this library's own client talked with real servers. */
  static final List<String> OURS =
      List.of(
          "belay-of-nbdkit",
          "belay-list-of-nbdkit",
          "belay-of-qemu",
          "belay-list-of-qemu",
          "belay-missing-of-qemu",
          "belay-of-oldstyle-nbdkit",
          "belay-of-unfixed-nbdkit",
          "belay-of-unstructured-nbdkit");

  private Talk() {}

  /** All that one side said: C or S. */
  static byte[] said(String recording, char who) throws IOException {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    try (InputStream from = Talk.class.getResourceAsStream("/nbd/" + recording + ".talk")) {
      for (String line : new String(from.readAllBytes(), StandardCharsets.UTF_8).split("\n")) {
        if (line.charAt(0) == who) {
          all.writeBytes(HexFormat.of().parseHex(line.substring(2)));
        }
      }
    }
    return all.toByteArray();
  }

  /** What a server answers to all of it, and how many bytes it takes. */
  record Answer(byte[] output, int takenBytes) {}

  static Answer feed(ServerHandshake server, byte[] input, int pieceBytes) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    int at = 0;
    while (true) {
      byte[] output = server.output();
      all.writeBytes(output);
      int piece = Math.min(pieceBytes, input.length - at);
      int taken = server.take(MemorySegment.ofArray(input), at, piece);
      if (taken == 0 && output.length == 0) {
        return new Answer(all.toByteArray(), at);
      }
      at += taken;
    }
  }

  static Answer feed(ClientHandshake client, byte[] input, int pieceBytes) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    int at = 0;
    while (true) {
      byte[] output = client.output();
      all.writeBytes(output);
      int piece = Math.min(pieceBytes, input.length - at);
      int taken = client.take(MemorySegment.ofArray(input), at, piece);
      if (taken == 0 && output.length == 0) {
        return new Answer(all.toByteArray(), at);
      }
      at += taken;
    }
  }

  static ExportFacts facts(String name, String description) {
    int flags =
        Nbd.FLAG_HAS_FLAGS
            | Nbd.FLAG_SEND_FLUSH
            | Nbd.FLAG_SEND_FUA
            | Nbd.FLAG_SEND_TRIM
            | Nbd.FLAG_SEND_WRITE_ZEROES
            | Nbd.FLAG_SEND_DF
            | Nbd.FLAG_CAN_MULTI_CONN
            | Nbd.FLAG_SEND_CACHE
            | Nbd.FLAG_SEND_FAST_ZERO;
    return new ExportFacts(name, description, 4 << 20, flags, 1, 4096, 1 << 25);
  }

  static ServerHandshake.Exports exports(ExportFacts... facts) {
    return new ServerHandshake.Exports() {
      @Override
      public List<ExportFacts> list() {
        return Arrays.asList(facts);
      }

      @Override
      public ExportFacts find(String name) {
        return list().stream()
            .filter(f -> name.isEmpty() || f.name().equals(name))
            .findFirst()
            .orElse(null);
      }
    };
  }

  /** Bytes in hexadecimal, with spaces anywhere. */
  static byte[] hex(String... text) {
    return HexFormat.of().parseHex(String.join("", text).replace(" ", ""));
  }
}
