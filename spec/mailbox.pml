// SPDX-License-Identifier: Apache-2.0
/*
 * The mailbox: a stack that any thread pushes on, and that the loop takes whole and turns round.
 * Each mail comes once, and those of one sender in their order; also where a mail is pushed again
 * as soon as it is delivered, as a watch is; and a mailbox that was closed takes nothing.
 *
 * What mirrors what
 *   head                Loop.mailbox; CLOSED is Loop.mailboxClosed
 *   next[m]             Mail.nextMail
 *   push()              Loop.post
 *   LOOP                Loop.emptyMailbox, and the end of closeAll
 *   isIn[w]             Watch.inMailbox, of the one mail that is a watch
 *
 * Memory: the compare-and-set that pushes publishes `next`, the exchange that takes all acquires
 * it; both are one step here.
 *
 * The code raises each flag once, so that a watch is pushed once; RAISERS=2 pushes it again.
 * Turning round is one step, as nobody else sees what was taken.
 *
 * Left out: waking (sleep.pml), and what mail does (flag.pml, close.pml).
 */

#define SENDERS 2
#define EACH 2
#ifndef RAISERS
#define RAISERS 1
#endif
/* Mails: two of each sender, numbered from 1; then the watch. */
#define WATCH 5
#define MAILS 6
#define NONE 0
#define CLOSED 7

byte head = NONE;
byte next[MAILS];
byte comes[MAILS];
bool isAccepted[MAILS];
bool isIn;
byte raises;
byte seenRaises;
bool isRefused;

inline push(m, seen, ok) {
  do
  :: atomic { seen = head; next[m] = seen };
      if
      :: seen == CLOSED -> ok = false; break
      :: else ->
          atomic {
            if
#ifdef PUSHED_BLINDLY
            :: true -> head = m; ok = true; break
#else
            :: head == seen -> head = m; ok = true; break
            :: else
#endif
            fi
          }
      fi
  od
}

active [SENDERS] proctype Sender() {
  byte sent;
  byte m;
  byte seen;
  bool ok;
  do
  :: sent == EACH -> break
  :: sent < EACH ->
      m = EACH * _pid + sent + 1;
      push(m, seen, ok);
      isAccepted[m] = ok;
      sent++
  od
}

/* Flags go up, and each wants the watch's loop to look: once it is in the mailbox, that does. */
active [RAISERS] proctype Raiser() {
  byte seen;
  bool ok;
  bool wasIn;
  raises++;
  atomic { wasIn = isIn; isIn = true };
  if
  :: !wasIn -> push(WATCH, seen, ok); isRefused = isRefused || !ok
  :: else
  fi
}

inline deliver(m) {
  if
  :: m == WATCH ->
#ifdef LOOKED_TOO_EARLY
      seenRaises = raises;
      isIn = false
#else
      isIn = false;
      seenRaises = raises
#endif
  :: else ->
      atomic {
        comes[m]++;
        assert(comes[m] == 1);
        assert(m % 2 == 1 || comes[m - 1] == 1)
      }
  fi
}

active proctype Loop() {
  byte m;
  byte after;
  byte turned;
  do
  :: head != NONE ->
      atomic { m = head; head = NONE };
#ifndef NOT_TURNED
      atomic {
        do
        :: m == NONE -> break
        :: else -> after = next[m]; next[m] = turned; turned = m; m = after
        od
      };
#else
      turned = m;
#endif
      do
      :: turned == NONE -> break
      :: else ->
#ifdef NEXT_READ_LATE
          deliver(turned);
          atomic { after = next[turned]; next[turned] = NONE };
#else
          atomic { after = next[turned]; next[turned] = NONE };
          deliver(turned);
#endif
          turned = after
      od
#ifdef CLOSED_BLINDLY
  :: atomic { true -> head = CLOSED; break }
#else
  :: atomic { head == NONE -> head = CLOSED; break }
#endif
  od;

  /* All have pushed, or were refused: what was accepted came, and the last raise was seen. */
  timeout;
  assert(comes[1] == isAccepted[1] && comes[2] == isAccepted[2]);
  assert(comes[3] == isAccepted[3] && comes[4] == isAccepted[4]);
  assert(head == CLOSED);
  assert(isRefused || seenRaises == raises)
}
