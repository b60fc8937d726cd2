// SPDX-License-Identifier: Apache-2.0
package dev.belay.leaf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.belay.Device;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.testing.DrivenStack;
import dev.belay.uring.UringSupport;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class FileEngineTest {
  @TempDir Path directory;

  @ParameterizedTest
  @EnumSource(names = {"AUTO", "THREADS"})
  void opensAFile(FileEngine engine) throws Exception {
    try (DrivenStack stack = new DrivenStack()) {
      String path = directory.resolve("a").toString();
      Device file = engine.open(stack.loop, FileOptions.of(path).withSize(1 << 20));
      boolean byRing = engine == FileEngine.AUTO && UringSupport.look().usable();
      assertThat(file).isInstanceOf(byRing ? UringFile.class : ThreadFile.class);
      assertThat(stack.run(file, Op.WRITE, 0, stack.memory(8192))).isEqualTo(Outcome.done(8192));
    }
  }

  @Test
  void saysInOneLineWhatItWouldChoose() {
    assertThat(FileEngine.choice()).startsWith("files by ").hasLineCount(1);
  }
}
