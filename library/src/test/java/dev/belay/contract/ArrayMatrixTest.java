// SPDX-License-Identifier: Apache-2.0
package dev.belay.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import dev.belay.CancelFlag;
import dev.belay.Extents.State;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Outcome.Kind;
import dev.belay.contract.MatrixRows.Target;
import dev.belay.contract.Stage.Request;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** The laws that arrays keep as every target does, over every target and under every target. */
final class ArrayMatrixTest {
  private static final int ANY = Integer.MAX_VALUE;

  private static Stream<DynamicTest> everywhere(int depth, Consumer<Stage> law) {
    List<DynamicTest> tests = new ArrayList<>();
    for (Target array : MatrixRows.ARRAYS) {
      tests.add(cell(array, null, depth, law));
      for (Target other : MatrixRows.TARGETS) {
        if (other.passes()) { // what has committed and hangs below, hangs
          tests.add(cell(array, other, depth, law));
        }
        tests.add(cell(other, array, depth, law));
      }
    }
    return tests.stream();
  }

  private static DynamicTest cell(
      Target upper, @Nullable Target lower, int depth, Consumer<Stage> law) {
    return dynamicTest(
        lower == null ? upper.name() : upper + " over " + lower,
        () -> {
          try (Stage stage = new Stage(upper, lower, depth)) {
            law.accept(stage);
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> whatDoesNotFitIsRefusedClean() {
    return everywhere(
        ANY,
        stage -> {
          long block = stage.top.limits().logicalBlockBytes();
          for (Op op : MatrixRows.RANGE_OPS) {
            Outcome outcome = stage.new Request(op, stage.sizeBytes(), block, flag()).outcome();
            assertThat(outcome.kind()).isEqualTo(Kind.FAILED);
            assertThat(outcome.cleanBytes()).isEqualTo(block);
          }
          stage.settle();
          assertThat(stage.log.all).isEmpty();
        });
  }

  @TestFactory
  Stream<DynamicTest> aFlagThatIsUpBeforeSendsNothing() {
    return everywhere(
        ANY,
        stage -> {
          CancelFlag flag = flag();
          flag.raise();
          for (Op op : Op.values()) {
            Request request = stage.request(op, flag);
            stage.settle();
            isCancelledClean(request);
          }
          assertThat(stage.log.all).isEmpty();
        });
  }

  @TestFactory
  Stream<DynamicTest> whatWaitsIsCancelledClean() {
    return everywhere(
        0,
        stage -> {
          CancelFlag flag = flag();
          List<Request> requests = new ArrayList<>();
          requests.add(stage.request(Op.READ, flag));
          requests.add(stage.request(Op.READ, flag.child()));
          requests.add(stage.request(Op.FLUSH, flag));
          stage.settle();
          assertThat(requests).noneMatch(Request::hasEnded);
          flag.raise();
          stage.settle();
          requests.forEach(ArrayMatrixTest::isCancelledClean);
          assertThat(stage.log.all).isEmpty();
        });
  }

  @TestFactory
  Stream<DynamicTest> closeCancelsAllAndWaitsForAll() {
    return everywhere(
        1,
        stage -> {
          List<Request> requests = new ArrayList<>();
          for (Op op : Op.values()) {
            requests.add(stage.request(op, flag()));
          }
          for (int i = 0; i < 3; i++) {
            stage.loop.turn(1000);
          }
          stage.loop.close(0);
          while (stage.loop.openRequests() > 0) {
            stage.log.inFlight().forEach(piece -> piece.answer(Kind.DONE, ""));
            stage.loop.turn(10_000_000);
          }
          assertThat(stage.loop.close(Long.MAX_VALUE)).isZero();
          for (Request request : requests) {
            assertThat(request.outcome().kind()).isNotEqualTo(Kind.FAILED);
            assertThat(request.outcome().unknownBytes()).isZero();
          }
        });
  }

  private static CancelFlag flag() {
    return new CancelFlag();
  }

  private static void isCancelledClean(Request request) {
    assertThat(request.outcome().kind()).isEqualTo(Kind.CANCELLED);
    assertThat(request.outcome().extents().bytes(State.CLEAN)).isEqualTo(request.lengthBytes);
  }
}
