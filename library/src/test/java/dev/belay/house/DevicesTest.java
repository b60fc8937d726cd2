// SPDX-License-Identifier: Apache-2.0
package dev.belay.house;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** No device without its page and its row. */
final class DevicesTest {
  @Test
  void everyDeviceHasItsPageAndItsRow() throws Exception {
    Map<String, String> pages = new HashMap<>();
    Path docs = Sources.root().resolve("docs/devices");
    if (Files.isDirectory(docs)) {
      try (Stream<Path> files = Files.list(docs)) {
        for (Path file : files.toList()) {
          pages.put(file.getFileName().toString(), Files.readString(file));
        }
      }
    }
    List<String> matrix =
        Source.of(Sources.in("test")).stream()
            .filter(s -> s.simpleName().contains("Matrix"))
            .map(Source::text)
            .toList();
    Set<String> devices = DeviceRules.devices(Source.of(Sources.in("main")));
    assertThat(DeviceRules.findings(devices, pages, matrix)).isEmpty();
  }

  @Test
  void devicesAreRecognized() {
    assertThat(
            DeviceRules.devices(
                List.of(
                    source("dev.belay.target", "final class Linear extends Device {}"),
                    source("dev.belay.leaf", "final class Memory extends dev.belay.Device {}"),
                    source("dev.belay.leaf", "abstract class Half extends Device {}"),
                    source("dev.belay.leaf", "final class Pages {}"),
                    source("dev.belay.front", "final class Volume extends Device {}"))))
        .containsExactly("Linear", "Memory");
  }

  @Test
  void aMissingPageIsFound() {
    assertThat(DeviceRules.findings(Set.of("Linear"), Map.of("stripe.md", "x"), List.of()))
        .singleElement()
        .asString()
        .contains("docs/devices/linear.md");
    assertThat(DeviceRules.findings(Set.of("Linear"), Map.of("linear.md", "x"), List.of()))
        .isEmpty();
    assertThat(
            DeviceRules.findings(Set.of("UringFile"), Map.of("file.md", "`UringFile`"), List.of()))
        .isEmpty();
  }

  @Test
  void aMissingRowIsFound() {
    Map<String, String> pages = Map.of("linear.md", "x");
    assertThat(DeviceRules.findings(Set.of("Linear"), pages, List.of("stripe(a, b)"))).hasSize(1);
    assertThat(DeviceRules.findings(Set.of("Linear"), pages, List.of("linear(a, 0)"))).isEmpty();
    assertThat(DeviceRules.findings(Set.of("Linear"), pages, List.of("new Linear(a)"))).isEmpty();
  }

  private static Source source(String packageName, String code) {
    return Source.of("A.java", "package " + packageName + ";\n" + code);
  }
}
