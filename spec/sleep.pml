// SPDX-License-Identifier: Apache-2.0
/*
 * A loop falls asleep while others send to it: what was sent is received, always.
 *
 * With EVENTFD it sleeps in io_uring_enter, on a ring that polls an eventfd; without, in
 * LockSupport.park.
 *
 * What mirrors what
 *   box                   Loop.mailbox, by its length: mailbox.pml looks into it
 *   isSleeping            Loop.isSleeping
 *   sleeper, isWoken      Parking.sleeper, isWoken
 *   permit                the permit that LockSupport gives a thread
 *   isArmed               UringPoller.isArmed: the entry that polls was prepared, and is with the
 *                         kernel, for all that the loop knows
 *   isPolled              whether the kernel has the poll
 *   isReadable            the eventfd's count, which nobody reads, is above zero
 *   cqes, hasMore         the completions of the poll in the ring, at most one here, as one is as
 *                         good as two; and the flag MORE of the last
 *   SENDER                Loop.post and wake, from send, execute and CancelFlag.raise
 *   LOOP                  Loop.turn, emptyMailbox, sleep; Parking.enter, UringPoller.enter
 *
 * Memory. The loop stores isSleeping and then reads the mailbox, a sender the other way round; in
 * the code all four are volatile. LAZY_SLEEP plants a store that the sender may see late. The first
 * look of a turn is a plain one: it may miss mail, unless this thread has seen it already; here it
 * does so at will.
 *
 * Left out: timers and other completions, which only end a sleep sooner; interrupts, likewise; a
 * turn that sends without sleeping; the end of the loop, which is in close.pml.
 */

#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef EACH
#define EACH 2
#endif

byte box;
bool isSleeping;

bool sleeper;
bool isWoken;
bool permit;

bool isArmed;
bool isPolled;
bool isReadable;
bool cqes;
bool hasMore;

/* Law 2, from the sender to the device: nothing that was accepted stays in the mailbox. */
ltl delivered { [] ((box > 0) -> <> (box == 0)) }

#ifdef LAZY_SLEEP
bool isBuffered;

active proctype Drain() {
end:
  do
  :: atomic { isBuffered -> isSleeping = true; isBuffered = false }
  od
}
#endif

/* The kernel: what the poll finds. A poll that cannot go on says so, and is no more. */
inline post() {
  cqes = true;
  if
  :: hasMore = true
  :: hasMore = false; isPolled = false
  fi
}

inline signal() {
#ifdef EVENTFD
  atomic {
    isReadable = true;
    if
    :: isPolled -> post()
    :: else
    fi
  }
#else
#ifdef UNPARK_FIRST
  atomic {
    if
    :: sleeper -> permit = true
    :: else
    fi
  };
  isWoken = true
#else
  isWoken = true;
  atomic {
    if
    :: sleeper -> permit = true
    :: else
    fi
  }
#endif
#endif
}

/* A wake-up that throws is tried again; of three in a row, one arrives. */
inline wake(tries) {
  tries = 0;
  do
#ifdef WAKE_FAILS
  :: tries < 2 -> break
#else
  :: tries < 2 -> isSleeping = true; tries++
#endif
  :: signal(); break
  od;
  tries = 0
}

active [SENDERS] proctype Sender() {
  byte sent;
  bool isMine;
  byte tries;
  do
  :: sent == EACH -> break
  :: sent < EACH ->
      box++;
      sent++;
      if
      :: isSleeping ->
          atomic { isMine = isSleeping; isSleeping = false };
          if
          :: isMine -> wake(tries)
          :: !isMine
          fi
      :: !isSleeping
      fi
  od
}

active proctype Loop() {
  bool mayWait;
  bool knows;

turn:
#ifdef EVENTFD
  /* UringPoller.reap */
  atomic {
    if
    :: cqes ->
#ifndef NOT_ARMED_AGAIN
        isArmed = hasMore;
#endif
        cqes = false
    :: else
    fi
  };
#endif
  if
  :: box > 0 -> atomic { box = 0; knows = false }; goto turn
  :: box == 0 || !knows
  fi;

#ifdef LOOK_BEFORE_SLEEPING
  atomic { mayWait = (box == 0); knows = (box > 0) };
  isSleeping = true;
#else
#ifdef LAZY_SLEEP
  isBuffered = true;
#else
  isSleeping = true;
#endif
  atomic { mayWait = (box == 0); knows = (box > 0) };
#endif

#ifdef EVENTFD
  if
  :: isArmed
  :: atomic { !isArmed ->
      if
      :: isArmed = true; isPolled = true;
          if
          :: isReadable -> post()
          :: else
          fi
      /* The kernel does not take the entry, and so does not wait. */
      :: skip;
#ifndef SLEEPS_UNARMED
          mayWait = false
#endif
      fi }
  fi;
  if
  :: mayWait ->
end_wait:
      cqes
  :: else
  fi;
#else
  if
  :: mayWait ->
#ifdef WOKEN_CLEARED_FIRST
      isWoken = false;
#endif
      sleeper = true;
      if
#ifdef SLEEPS_THOUGH_WOKEN
      :: true ->
#else
      :: !isWoken ->
#endif
end_park:
          atomic { permit -> permit = false }
      :: isWoken
      fi;
#ifndef WOKEN_CLEARED_FIRST
      isWoken = false
#endif
  :: else
  fi;
#endif
#ifdef LAZY_SLEEP
  !isBuffered;
#endif
  isSleeping = false;
  goto turn
}
