// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A strict reader of Prometheus' text format: each family has its HELP and TYPE before its samples,
 * which stand together; no sample twice; histograms rise, and end with +Inf, their count.
 */
final class MetricsText {
  private static final String NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
  private static final Pattern HELP = Pattern.compile("# HELP (" + NAME + ") (\\S.*)");
  private static final Pattern TYPE =
      Pattern.compile("# TYPE (" + NAME + ") (counter|gauge|histogram)");
  private static final Pattern SAMPLE =
      Pattern.compile("(" + NAME + ")(?:\\{(.*)})? ([0-9]+(?:\\.[0-9]+)?)");
  private static final Pattern LABEL =
      Pattern.compile("([a-zA-Z_][a-zA-Z0-9_]*)=\"((?:[^\"\\\\\n]|\\\\[\\\\\"n])*)\"(,|$)");

  private final Map<String, Double> samples = new LinkedHashMap<>();
  private final Set<String> families = new HashSet<>();
  private String family = "";
  private String type = "";

  private MetricsText() {}

  /** The samples by name and labels, as they are written. */
  static Map<String, Double> parse(String text) {
    MetricsText metrics = new MetricsText();
    assertThat(text).endsWith("\n").doesNotContain("\r");
    String helped = "";
    for (String line : text.split("\n")) {
      Matcher help = HELP.matcher(line);
      Matcher type = TYPE.matcher(line);
      if (help.matches()) {
        helped = help.group(1);
      } else if (type.matches()) {
        assertThat(type.group(1)).isEqualTo(helped);
        metrics.begin(type.group(1), type.group(2));
      } else {
        metrics.sample(line);
      }
    }
    metrics.checkHistograms();
    return metrics.samples;
  }

  private void begin(String name, String kind) {
    assertThat(families.add(name)).as("one family " + name).isTrue();
    assertThat(kind.equals("counter")).as(name).isEqualTo(name.endsWith("_total"));
    family = name;
    type = kind;
  }

  private void sample(String line) {
    Matcher sample = SAMPLE.matcher(line);
    assertThat(sample.matches()).as(line).isTrue();
    String name = sample.group(1);
    String part = type.equals("histogram") ? family + "(_bucket|_sum|_count)" : family;
    assertThat(name).matches(part);
    String labels = sample.group(2) == null ? "" : sample.group(2);
    Matcher label = LABEL.matcher(labels);
    int end = 0;
    Set<String> seen = new HashSet<>();
    while (end < labels.length()) {
      assertThat(label.find(end) && label.start() == end).as(line).isTrue();
      assertThat(seen.add(label.group(1))).as(line).isTrue();
      end = label.end();
    }
    String key = name + (labels.isEmpty() ? "" : "{" + labels + "}");
    assertThat(samples.put(key, Double.valueOf(sample.group(3)))).as(key).isNull();
  }

  private void checkHistograms() {
    Map<String, TreeMap<Double, Double>> buckets = new LinkedHashMap<>();
    Pattern bucket = Pattern.compile("(" + NAME + ")_bucket\\{(.*),le=\"([^\"]*)\"}");
    samples.forEach(
        (key, value) -> {
          Matcher matcher = bucket.matcher(key);
          if (matcher.matches()) {
            String bound = matcher.group(3);
            buckets
                .computeIfAbsent(
                    matcher.group(1) + "_count{" + matcher.group(2) + "}", x -> new TreeMap<>())
                .put(
                    bound.equals("+Inf") ? Double.POSITIVE_INFINITY : Double.parseDouble(bound),
                    value);
          }
        });
    buckets.forEach(
        (count, row) -> {
          assertThat(List.copyOf(row.values())).isSorted();
          assertThat(row.get(Double.POSITIVE_INFINITY)).as(count).isEqualTo(samples.get(count));
        });
  }
}
