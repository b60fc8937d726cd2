// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.Device;
import dev.belay.Limits;
import dev.belay.Loop;
import dev.belay.stack.Expression;
import dev.belay.stack.Stack;
import java.io.PrintWriter;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code belay describe STACK}: opens a stack, shows its devices as a tree, and closes it. */
@Command(
    name = "describe",
    description = "Show a stack as a tree of devices, with what each takes and says.",
    mixinStandardHelpOptions = true,
    footer = {
      "",
      "The stack is opened for it: files that it is told to make are made.",
      "Example: belay describe 'align(stripe(a.img, b.img, chunk=64k))'"
    })
final class Describe implements Callable<Integer> {
  @Parameters(paramLabel = "STACK", description = "A stack expression, such as 'null(size=1G)'.")
  private String stack;

  @Option(names = "--json", description = "Print one JSON object instead.")
  private boolean json;

  @Spec private CommandSpec spec;

  /** A device and the two texts that draw the lines before it and before those below it. */
  private record Node(Device device, String lead, String leadBelow) {}

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    Expression expression = Expression.parse(stack);
    Loop loop = Loop.driven();
    try {
      Device root = Stack.build(loop, expression);
      if (json) {
        out.println(Json.print(Map.of("expression", expression.print(), "root", toMap(root))));
      } else {
        out.println(expression.print());
        tree(root).forEach(out::println);
      }
    } finally {
      loop.close(0);
    }
    return Main.DONE;
  }

  /** A line a device, the topmost first; any depth. */
  private static List<String> tree(Device root) {
    List<String> lines = new ArrayList<>();
    ArrayDeque<Node> waiting = new ArrayDeque<>();
    waiting.push(new Node(root, "", ""));
    while (!waiting.isEmpty()) {
      Node node = waiting.pop();
      lines.add(node.lead() + line(node.device()));
      List<Device> lowers = node.device().lowers();
      for (int i = lowers.size() - 1; i >= 0; i--) {
        boolean isLast = i == lowers.size() - 1;
        String before = node.leadBelow();
        waiting.push(
            new Node(
                lowers.get(i),
                before + (isLast ? "└─ " : "├─ "),
                before + (isLast ? "   " : "│  ")));
      }
    }
    return lines;
  }

  private static String line(Device device) {
    Limits limits = device.limits();
    StringBuilder text = new StringBuilder(device.kind());
    text.append("  ").append(Units.bytes(limits.sizeBytes()));
    text.append(", block ").append(Units.bytes(limits.logicalBlockBytes()));
    text.append(", memory ").append(Units.bytes(limits.memoryAlignmentBytes()));
    if (limits.largestTransferBytes() != Long.MAX_VALUE) {
      text.append(", pieces of ").append(Units.bytes(limits.largestTransferBytes()));
    }
    String status = device.status();
    return status.isEmpty() ? text.toString() : text.append("  (" + status + ")").toString();
  }

  private static Map<String, Object> toMap(Device device) {
    Limits limits = device.limits();
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("device", device.kind());
    map.put("sizeBytes", limits.sizeBytes());
    map.put("logicalBlockBytes", limits.logicalBlockBytes());
    map.put("memoryAlignmentBytes", limits.memoryAlignmentBytes());
    map.put("largestTransferBytes", limits.largestTransferBytes());
    map.put("status", device.status());
    map.put("lowers", device.lowers().stream().map(Describe::toMap).toList());
    return map;
  }
}
