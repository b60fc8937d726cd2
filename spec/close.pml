// SPDX-License-Identifier: Apache-2.0
/*
 * A loop is closed while others send to it and raise flags: close returns when every request that
 * was accepted has ended, once; one that was refused is its sender's, and never comes in.
 *
 * What mirrors what
 *   box, isBoxClosed       Loop.mailbox, and that it holds mailboxClosed
 *   isClosing, isClosed    Loop.isClosing, closed
 *   open                   Loop.open
 *   isUp[b]                CancelFlag.isRaised of the bio's flag
 *   isWatched[b]           Bio.watch: the device holds it, and is to be told of its flag
 *   LOOP                   Loop.runUntilClosed, closeAll, emptyMailbox, enter
 *   CLOSER                 Loop.close of a threaded loop; two threads do
 *   isDeviceOpen           Device.close has not run
 *   settles                Loop.settleNext: the requests by which a device ends, of its own
 *
 * A device answers for a request whenever it likes; for one, HUNG, it does so only when its flag
 * goes up: only close raises that one's.
 *
 * Left out: parking and raising at the same moment (flag.pml), the sleep (sleep.pml: a loop
 * here waits exactly while it has nothing to do), close with a time limit, which returns sooner and
 * says so, and driven loops, whose one thread does all of this in order.
 */

#define SENDERS 2
#define HUNG 0
/* The device's own last request. */
#define LAST 2
#define BIOS 3

mtype = { REQUEST, CLOSE, RAISED };

chan box = [6] of { mtype, byte };
bool isBoxClosed;
bool isClosing;
bool isClosed;
bool isDeviceOpen = true;
byte open;
byte settles;
bool isUp[BIOS];
bool isWatched[BIOS];
bool isOpen[BIOS];
bool isAccepted[BIOS];
byte ends[BIOS];

inline post(kind, b, ok) {
#ifdef LOOKS_THEN_PUSHES
  ok = !isBoxClosed;
  if
  :: ok -> box!kind, b
  :: else
  fi
#else
  atomic {
    if
    :: isBoxClosed -> ok = false
    :: else -> box!kind, b; ok = true
    fi
  }
#endif
}

inline raise(b, ok) {
  atomic { ok = isWatched[b] && !isUp[b]; isUp[b] = true };
  if
  :: ok -> post(RAISED, b, ok)
  :: else
  fi
}

inline finish(b) {
  atomic {
    assert(isOpen[b]);
    isOpen[b] = false;
    isWatched[b] = false;
    open--;
    ends[b]++;
    assert(ends[b] == 1)
  }
}

inline enter(b, ok) {
  atomic { assert(isDeviceOpen); isOpen[b] = true; open++ };
#ifndef LATE_ONE_NOT_ASKED
  if
  :: isClosing && b != LAST -> raise(b, ok)
  :: else
  fi;
#endif
  atomic {
    if
    :: isUp[b] -> finish(b)
    :: else -> isWatched[b] = true
    fi
  }
}

/* Everything that a turn may find to do, one at a time. */
inline turn(kind, b, ok) {
  if
  :: box?kind, b ->
      if
      :: kind == REQUEST -> enter(b, ok)
      :: kind == RAISED ->
          if
          :: isOpen[b] -> finish(b)
          :: else
          fi
      :: kind == CLOSE ->
          isClosing = true;
          b = 0;
          do
          :: b == SENDERS -> break
          :: b < SENDERS && isOpen[b] -> raise(b, ok); b++
          :: b < SENDERS && !isOpen[b] -> b++
          od
      fi
  :: atomic { isOpen[1] -> finish(1) }
  :: atomic { isOpen[LAST] -> finish(LAST) }
  fi
}

active proctype Loop() {
  mtype kind;
  byte b;
  bool ok;

  do
#ifdef DOES_NOT_WAIT
  :: isClosing -> break
#else
  :: isClosing && open == 0 ->
      if
      :: settles == 0 -> settles++; enter(LAST, ok)
      :: else -> break
      fi
#endif
  :: !isClosing || open > 0 -> turn(kind, b, ok)
  od;

#ifdef FORGETS_MAIL
  isBoxClosed = true;
#else
  do
  :: nempty(box) || open > 0 -> turn(kind, b, ok)
  :: atomic { empty(box) && open == 0 -> isBoxClosed = true }; break
  od;
#endif
  isDeviceOpen = false;
  isClosed = true
}

active [SENDERS] proctype Sender() {
  bool ok;
  byte me = _pid - 1;
  post(REQUEST, me, ok);
  isAccepted[me] = ok;
  /* A late raise hits nothing: not after the end, and not after the close. */
  if
  :: me != HUNG -> raise(me, ok)
  :: skip
  fi
}

active [2] proctype Closer() {
  bool ok;
  post(CLOSE, 0, ok);
  isClosed;
  assert(open == 0 && !isDeviceOpen)
}

/* All have ended: nobody waits for ever. */
active proctype Reckoning() {
  timeout;
  assert(isClosed);
  assert(ends[0] == isAccepted[0] && ends[1] == isAccepted[1] && ends[LAST] == 1)
}
