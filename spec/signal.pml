// SPDX-License-Identifier: Apache-2.0
/*
 * Threads signal an eventfd while its loop closes it: nobody ever writes to a descriptor that was
 * closed, which may be somebody else's file by now, and it is closed exactly once.
 *
 * What mirrors what
 *   users, isClosed     WakeSignal.users: the number, and its sign bit
 *   isGone              WakeSignal.gone
 *   isOpen, closes      what the kernel knows of the descriptor
 *   SENDER, CLOSER      WakeSignal.send, close; each atomic step is one of an AtomicInteger
 *
 * Left out: the signal's effect, which is in sleep.pml.
 */

#ifndef SENDERS
#define SENDERS 3
#endif
#ifndef EACH
#define EACH 2
#endif

short users;
bool isClosed;
bool isGone;
bool isOpen = true;
byte closes;

inline leave(isLast, isMine) {
  if
  :: isLast ->
#ifdef CLOSED_TWICE
      isMine = true;
#else
      atomic { isMine = !isGone; isGone = true };
#endif
      if
      :: isMine -> atomic { isOpen = false; closes++; assert(closes == 1) }
      :: else
      fi
  :: else
  fi
}

active [SENDERS] proctype Sender() {
  byte sent;
  bool isIn;
  bool isLast;
  bool isMine;
  do
  :: sent == EACH -> break
  :: sent < EACH ->
      sent++;
#ifdef LOOKS_FIRST
      isIn = !isClosed;
      users++;
#else
      atomic { users++; isIn = !isClosed };
#endif
      if
      :: isIn -> assert(isOpen)
      :: else
      fi;
      atomic { users--; isLast = isClosed && users == 0 };
      leave(isLast, isMine)
  od
}

active proctype Closer() {
  bool isLast;
  bool isMine;
#ifdef CLOSES_AT_ONCE
  atomic { isClosed = true; isLast = true };
#else
  atomic { isClosed = true; isLast = (users == 0) };
#endif
  leave(isLast, isMine)
}

/* The last one out has closed it. */
active proctype Reckoning() {
  timeout -> assert(closes == 1 && !isOpen)
}
