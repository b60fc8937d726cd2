// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Reads what {@link Json} prints, and what others print. */
final class JsonReaderTest {
  @Test
  void whatIsPrintedIsReadBack() {
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("text", "a \"quoted\" \\ line\nand a tab\t\u0001µ");
    all.put("long", 1234567890123L);
    all.put("double", -1.5e-7);
    all.put("truth", true);
    all.put("lie", false);
    all.put("nothing", null);
    all.put("list", Arrays.asList(1L, "two", List.of(), Map.of()));
    all.put("inner", Map.of("a", Map.of("b", 3L)));
    assertThat(JsonReader.parseObject(Json.print(all))).isEqualTo(all);
    assertThat(JsonReader.number(all, "inner", "a", "b")).isEqualTo(3);
    assertThat(JsonReader.number(all, "inner", "x", "b")).isZero();
  }

  @Test
  void spacesAndEscapesOfOthersAreRead() {
    assertThat(JsonReader.parseObject("{ \"a\" : [ 1 , 2.50 ] ,\n \"b\" : \"\\u00b5\\/\" }"))
        .isEqualTo(Map.of("a", List.of(1L, 2.5), "b", "µ/"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "[1]", "{", "{\"a\"}", "{\"a\": x}", "{\"a\": \"b", "{\"a\": 1 2}"})
  void whatIsNoObjectIsRefused(String text) {
    assertThatThrownBy(() -> JsonReader.parseObject(text))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
