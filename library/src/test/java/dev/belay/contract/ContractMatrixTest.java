// SPDX-License-Identifier: Apache-2.0
package dev.belay.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import dev.belay.Bio;
import dev.belay.CancelFlag;
import dev.belay.Device;
import dev.belay.Errno;
import dev.belay.Extents.State;
import dev.belay.Op;
import dev.belay.Outcome;
import dev.belay.Outcome.Kind;
import dev.belay.contract.HeldLeaf.Piece;
import dev.belay.contract.MatrixRows.Target;
import dev.belay.contract.Stage.Request;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.function.BiConsumer;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** The laws, over every target alone and every target over every target. */
final class ContractMatrixTest {
  private static final int ANY = Integer.MAX_VALUE;

  /** A cell of the matrix: what stands over what; nothing below means the leaf itself. */
  private record Cell(Target upper, @Nullable Target lower) {
    boolean passes() {
      return upper.passes() && (lower == null || lower.passes());
    }

    Stage stage(int depth) {
      return new Stage(upper, lower, depth);
    }

    @Override
    public String toString() {
      return lower == null ? upper.name() : upper.name() + " over " + lower.name();
    }
  }

  private static Stream<Cell> cells() {
    List<Cell> cells = new ArrayList<>();
    for (Target upper : MatrixRows.TARGETS) {
      cells.add(new Cell(upper, null));
      for (Target lower : MatrixRows.TARGETS) {
        cells.add(new Cell(upper, lower));
      }
    }
    return cells.stream();
  }

  /** The same with arrays, which stand on leaves and on targets, and under targets. */
  private static Stream<Cell> cellsWithArrays() {
    List<Cell> cells = new ArrayList<>(cells().toList());
    for (Target array : MatrixRows.ARRAYS) {
      cells.add(new Cell(array, null));
      for (Target target : MatrixRows.TARGETS) {
        cells.add(new Cell(array, target));
        cells.add(new Cell(target, array));
      }
    }
    return cells.stream();
  }

  private static Stream<DynamicTest> withArrays(
      Predicate<Cell> which, int depth, BiConsumer<Cell, Stage> law) {
    return tests(cellsWithArrays().filter(which), depth, law);
  }

  private static Stream<DynamicTest> everywhere(int depth, BiConsumer<Cell, Stage> law) {
    return where(cell -> true, depth, law);
  }

  private static Stream<DynamicTest> whereItPasses(int depth, BiConsumer<Cell, Stage> law) {
    return where(Cell::passes, depth, law);
  }

  private static Stream<DynamicTest> where(
      Predicate<Cell> which, int depth, BiConsumer<Cell, Stage> law) {
    return tests(cells().filter(which), depth, law);
  }

  private static Stream<DynamicTest> tests(
      Stream<Cell> cells, int depth, BiConsumer<Cell, Stage> law) {
    return cells.map(
        cell ->
            dynamicTest(
                cell.toString(),
                () -> {
                  try (Stage stage = cell.stage(depth)) {
                    law.accept(cell, stage);
                  }
                }));
  }

  @TestFactory
  Stream<DynamicTest> whatDoesNotFitIsRefusedClean() {
    return withArrays(
        cell -> true,
        ANY,
        (cell, stage) -> {
          long size = stage.sizeBytes();
          long block = stage.top.limits().logicalBlockBytes();
          List<long[]> ranges = new ArrayList<>();
          ranges.add(new long[] {size, block});
          ranges.add(new long[] {-block, block});
          if (block > 1) {
            ranges.add(new long[] {1, block});
            ranges.add(new long[] {0, block + 1});
          }
          for (long[] range : ranges) {
            for (Op op : MatrixRows.RANGE_OPS) {
              Outcome outcome = stage.new Request(op, range[0], range[1], flag()).outcome();
              assertThat(outcome.kind()).isEqualTo(Kind.FAILED);
              assertThat(Objects.requireNonNull(outcome.error()).errno()).isEqualTo(Errno.EINVAL);
              assertThat(outcome.cleanBytes()).isEqualTo(outcome.lengthBytes());
            }
          }
          stage.settle();
          assertThat(stage.log.all).isEmpty();
        });
  }

  @TestFactory
  Stream<DynamicTest> everyByteIsSentOnce() {
    return whereItPasses(
        ANY,
        (cell, stage) -> {
          for (Op op : MatrixRows.RANGE_OPS) {
            stage.log.all.clear();
            Request request = stage.request(op, flag());
            stage.answerAll();
            assertThat(request.outcome()).isEqualTo(Outcome.done(stage.sizeBytes()));
            long sent = stage.log.all.stream().mapToLong(piece -> piece.lengthBytes).sum();
            assertThat(sent).isEqualTo(stage.sizeBytes());
            assertThat(stage.log.all).allMatch(piece -> piece.op == op);
            assertThat(stage.log.all.stream().map(Piece::place).toList())
                .as("no place twice")
                .doesNotHaveDuplicates();
            if (op.hasBuffer()) {
              request.isTruthful();
            }
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> aFlushReachesEveryLeaf() {
    return withArrays(
        Cell::passes,
        ANY,
        (cell, stage) -> {
          Request request = stage.request(Op.FLUSH, flag());
          stage.settle();
          assertThat(stage.log.all).hasSameSizeAs(stage.log.leaves);
          assertThat(stage.log.all.stream().map(piece -> piece.leaf).distinct())
              .hasSameSizeAs(stage.log.leaves);
          for (Piece piece : stage.log.inFlight()) {
            assertThat(request.hasEnded()).as("it waits for all").isFalse();
            piece.answer(Kind.DONE, "");
            stage.settle();
          }
          assertThat(request.outcome()).isEqualTo(Outcome.done(0));
        });
  }

  @TestFactory
  Stream<DynamicTest> aFlagThatIsUpBeforeSendsNothing() {
    return withArrays(
        cell -> true,
        ANY,
        (cell, stage) -> {
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
        (cell, stage) -> {
          CancelFlag flag = flag();
          List<Request> requests = new ArrayList<>();
          for (Op op : Op.values()) {
            requests.add(stage.request(op, flag));
            requests.add(stage.request(op, flag.child()));
          }
          stage.settle();
          assertThat(requests).noneMatch(Request::hasEnded);
          flag.raise();
          assertThat(requests).as("raising completes nothing").noneMatch(Request::hasEnded);
          flag.raise(CancelFlag.Reason.SCOPE);
          stage.settle();
          requests.forEach(ContractMatrixTest::isCancelledClean);
          assertThat(stage.log.all).isEmpty();
        });
  }

  @TestFactory
  Stream<DynamicTest> whatIsHeldIsShown() {
    return withArrays(
        cell -> cell.lower() == null || cell.lower().passes(),
        0,
        (cell, stage) -> {
          CancelFlag flag = flag();
          List<Request> requests = new ArrayList<>();
          for (Op op : Op.values()) {
            requests.add(stage.request(op, flag));
          }
          stage.settle();
          List<Bio> shown = new ArrayList<>();
          showAll(stage.top, shown);
          for (Request request : requests) {
            assertThat(request.hasEnded() || shown.contains(request.bio))
                .as("%s is somewhere", request.op)
                .isTrue();
          }
          stage.log.leaves.forEach(leaf -> leaf.setDepth(ANY));
          stage.answerAll();
          shown.clear();
          showAll(stage.top, shown);
          for (Request request : requests) {
            assertThat(shown.contains(request.bio)).isNotEqualTo(request.hasEnded());
          }
        });
  }

  private static void showAll(Device device, List<Bio> shown) {
    device.showHeld((bio, how) -> shown.add(bio.root()));
    device.lowers().forEach(lower -> showAll(lower, shown));
  }

  @TestFactory
  Stream<DynamicTest> whatIsInFlightEndsAsTheDeviceSays() {
    return whereItPasses(
        2,
        (cell, stage) -> {
          for (Kind kind : Kind.values()) {
            stage.log.all.clear();
            CancelFlag flag = flag();
            Request request = stage.request(Op.WRITE, flag);
            stage.settle();
            int sent = stage.log.all.size();
            flag.raise();
            stage.settle();
            assertThat(request.hasEnded()).as("what is in flight is waited for").isFalse();
            stage.log.inFlight().forEach(piece -> piece.answer(kind, "broken"));
            stage.settle();
            assertThat(stage.log.all).as("law 3").hasSize(sent);
            request.isTruthful();
            boolean all = request.outcome().cleanBytes() == 0;
            Kind whole = kind == Kind.DONE && !all ? Kind.CANCELLED : kind;
            assertThat(request.outcome().kind()).isEqualTo(whole);
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> theFlagStopsItWhereverItIs() {
    return withArrays(
        Cell::passes,
        1,
        (cell, stage) -> {
          boolean ended = false;
          for (int answers = 0; !ended; answers++) {
            stage.log.all.clear();
            CancelFlag flag = flag();
            Request request = stage.request(Op.READ, flag);
            stage.settle();
            for (int i = 0; i < answers && !stage.log.inFlight().isEmpty(); i++) {
              stage.log.inFlight().getFirst().answer(Kind.DONE, "");
              stage.settle();
            }
            ended = request.hasEnded();
            int sent = stage.log.all.size();
            flag.raise();
            stage.settle();
            stage.log.inFlight().forEach(piece -> piece.answer(Kind.DONE, ""));
            stage.settle();
            assertThat(stage.log.all).as("law 3").hasSize(sent);
            request.isTruthful();
            boolean isWhole = request.outcome().cleanBytes() == 0;
            assertThat(request.outcome().kind()).isEqualTo(isWhole ? Kind.DONE : Kind.CANCELLED);
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> aFlagThatGoesUpAfterwardsHitsNobody() {
    return withArrays(
        Cell::passes,
        ANY,
        (cell, stage) -> {
          CancelFlag flag = flag();
          Request first = stage.request(Op.WRITE, flag);
          stage.answerAll();
          Request second = stage.request(Op.WRITE, flag());
          stage.settle();
          flag.raise();
          flag.raise();
          stage.answerAll();
          assertThat(first.outcome().kind()).isEqualTo(Kind.DONE);
          assertThat(first.outcome().reason()).isNull();
          assertThat(second.outcome()).isEqualTo(Outcome.done(stage.sizeBytes()));
        });
  }

  @TestFactory
  Stream<DynamicTest> bystandersDoNotPay() {
    return whereItPasses(
        1,
        (cell, stage) -> {
          List<Request> requests = new ArrayList<>();
          for (int i = 0; i < 6; i++) {
            requests.add(stage.request(i == 4 ? Op.FLUSH : Op.WRITE, flag()));
          }
          stage.settle();
          requests.get(1).flag.raise();
          requests.get(3).flag.raise();
          stage.answerAll();
          for (int i = 0; i < 6; i++) {
            Kind kind = requests.get(i).outcome().kind();
            assertThat(kind).as("request " + i).isIn(Kind.DONE, i % 2 == 1 ? Kind.CANCELLED : kind);
            assertThat(i == 1 || i == 3 || kind == Kind.DONE).as("request " + i).isTrue();
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> childrenJoinInWhateverOrder() {
    return whereItPasses(
        ANY,
        (cell, stage) -> {
          Random random = new Random(1);
          for (int round = 0; round < 24; round++) {
            stage.log.all.clear();
            Request request = stage.request(round % 2 == 0 ? Op.WRITE : Op.READ, flag());
            stage.settle();
            String firstError = null;
            List<String> errors = new ArrayList<>();
            boolean isCancelled = false;
            while (!stage.log.inFlight().isEmpty()) {
              List<Piece> pieces = stage.log.inFlight();
              Piece piece = pieces.get(random.nextInt(pieces.size()));
              int dice = random.nextInt(round % 3 == 0 ? 2 : 3);
              String sentence = "error of piece " + pieces.size();
              firstError = dice == 2 && firstError == null ? sentence : firstError;
              isCancelled |= dice == 1;
              errors.add(sentence);
              piece.answer(List.of(Kind.DONE, Kind.CANCELLED, Kind.FAILED).get(dice), sentence);
              stage.settle();
            }
            Kind expected = isCancelled ? Kind.CANCELLED : Kind.DONE;
            Outcome outcome = request.outcome();
            assertThat(outcome.kind()).isEqualTo(firstError != null ? Kind.FAILED : expected);
            if (firstError != null) {
              String sentence = Objects.requireNonNull(outcome.error()).sentence();
              assertThat(errors).contains(sentence);
              // Of two layers that join, the lower one passes its own first error on, and later.
              assertThat(cell.lower == null && !sentence.equals(firstError)).isFalse();
            }
            request.isTruthful();
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> whatWasDoneBeforeItWasStoppedIsDone() {
    return where(
        cell -> cell.lower == null && cell.upper.name().startsWith("align to"),
        ANY,
        (cell, stage) -> {
          long block = HeldLeaf.BLOCK_BYTES;
          for (int blocks = 1; blocks < 4; blocks++) {
            CancelFlag flag = flag();
            Request request = stage.new Request(Op.READ, block, block, flag);
            stage.settle();
            flag.raise();
            stage.log.inFlight().getFirst().stopAfter(blocks * block);
            stage.settle();
            Kind expected = blocks == 1 ? Kind.CANCELLED : Kind.DONE;
            assertThat(request.outcome().kind()).isEqualTo(expected);
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> closeCancelsAllAndWaitsForAll() {
    return everywhere(
        1,
        (cell, stage) -> {
          List<Request> requests = new ArrayList<>();
          for (Op op : Op.values()) {
            requests.add(stage.request(op, flag()));
          }
          stage.settle();
          int sent = stage.log.all.size();
          int left = stage.loop.close(1_000_000_000);
          assertThat(left > 0).as("something is in flight").isEqualTo(sent > 0);
          assertThat(stage.log.closed).isEqualTo(sent > 0 ? 0 : stage.log.leaves.size());
          stage.log.inFlight().forEach(piece -> piece.answer(Kind.DONE, ""));
          assertThat(stage.loop.close(Long.MAX_VALUE)).isZero();
          assertThat(stage.log.all).as("law 3").hasSize(sent);
          for (Request request : requests) {
            assertThat(request.outcome().kind()).isNotEqualTo(Kind.FAILED);
            assertThat(request.outcome().unknownBytes()).isZero();
            if (request.op.hasBuffer()) {
              request.isTruthful();
            }
          }
        });
  }

  private static CancelFlag flag() {
    return new CancelFlag();
  }

  private static void isCancelledClean(Request request) {
    assertThat(request.outcome().kind()).isEqualTo(Kind.CANCELLED);
    assertThat(request.outcome().reason()).isEqualTo(CancelFlag.Reason.EXPLICIT);
    assertThat(request.outcome().extents().bytes(State.CLEAN)).isEqualTo(request.lengthBytes);
  }
}
