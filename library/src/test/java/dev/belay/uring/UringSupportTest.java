// SPDX-License-Identifier: Apache-2.0
package dev.belay.uring;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class UringSupportTest {
  @Test
  void itSaysWhetherRingsWorkAndWhy() throws Exception {
    UringSupport support = UringSupport.look();
    assertThat(support.sentence()).isNotBlank();
    if (support.usable()) {
      assertThat(support.errno()).isZero();
      assertThat(support.opNames()).contains("NOP", "READ", "WRITE_FIXED", "ASYNC_CANCEL");
      assertThat(Abi.featureNames(support.features())).contains("NODROP", "EXT_ARG");
      assertThat(Abi.setupNames(support.setupFlags())).contains("CQSIZE");
      Rings.started(1, 2).close();
    } else {
      assertThat(support.opNames()).isEmpty();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "38, -1, this kernel has no io_uring",
    "1, 2, the administrator switched io_uring off",
    "1, 1, io_uring is kept for one group",
    "1, 0, a sandbox forbids io_uring",
    "1, -1, a sandbox forbids io_uring",
    "12, 0, ulimit -l",
    "24, 0, ulimit -n",
    "14, 0, io_uring refused a ring: bad address"
  })
  void everyRefusalHasItsSentence(int errno, int setting, String words) {
    assertThat(UringSupport.sentence(errno, setting)).contains(words);
  }

  @Test
  void errorNumbersHaveNamesAndSentences() {
    assertThat(Errno.name(125)).isEqualTo("ECANCELED");
    assertThat(Errno.name(-Errno.EIO)).isEqualTo("EIO");
    assertThat(Errno.name(999)).isEqualTo("errno 999");
    assertThat(Errno.name(Integer.MIN_VALUE)).startsWith("errno");
    assertThat(Errno.sentence(-28)).isEqualTo("no space left on the device (ENOSPC)");
    assertThat(Errno.sentence(0)).isEqualTo("unknown error (errno 0)");
  }

  @Test
  void everyConstantOfErrnoIsNamedAsItself() throws Exception {
    for (var field : Errno.class.getFields()) {
      assertThat(Errno.name(field.getInt(null))).isEqualTo(field.getName());
    }
  }

  @Test
  void flagsAndOperationsHaveNames() {
    assertThat(Abi.setupNames(Abi.SETUP_NO_SQARRAY | Abi.SETUP_DEFER_TASKRUN | (1 << 27)))
        .containsExactly("DEFER_TASKRUN", "NO_SQARRAY", "bit 27");
    assertThat(Abi.opName(Abi.OP_WRITE)).isEqualTo("WRITE");
    assertThat(Abi.opName(Abi.OP_FALLOCATE)).isEqualTo("FALLOCATE");
    assertThat(Abi.opName(250)).isEqualTo("op 250");
  }
}
