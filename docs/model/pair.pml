/* The protocol of a pair, for spin: roles, output gate, channel, arbiter and the world outside.
 *
 * What it leaves out is time. A node may take the other for lost at any moment, rightly or not;
 * whatever timeouts, heartbeats and networks do is one of these moments. A message that never
 * arrives is one that was not read before the reader gave its sender up. A process that is stopped
 * is one that another overtakes. So what holds here holds for every detection time.
 *
 * A run makes OUTPUTS outputs. Each depends on all inputs before it, which only the node that is
 * live is given, so a node that goes on without one of them says something else.
 *
 * Checked in every state:
 *   - what is seen outside is one stream: no contradiction and no gap;
 *   - one node is live, and a backup only when it was in sync;
 *   - roles change as ftcore/protocol/role.h says (and tests/model compares the two tables);
 * and where nothing more can happen: who is left has finished, unless the machine was lost with
 * both halves; and a machine that both have ended has said all it had to say.
 *
 * Bugs to be found are planted with -D: RELEASE_EARLY, ACK_EARLY, TWO_WINNERS, SYNCING_ASKS,
 * UNDRAINED, NO_REISSUE, LOST_GOES_ON, BYE_EARLY.
 *
 * Source: ftcore/README.md; Scales et al. (2010), section 2. */

#ifndef OUTPUTS
#define OUTPUTS 3
#endif
#define NOBODY 255
#define P 0 /* by how they began */
#define B 1
#define OTHER(me) (1 - (me))

mtype:role = { waiting, joining, lone, primary, ending, syncing, backup, draining, arbitrating,
               finished, halted };
mtype:event = { backup_joined, backup_ready, protected, backup_lost, primary_lost, hand_over, end,
                drained, won, lost, higher_epoch };
mtype:message = { hello, protect, record, planned_end, planned_hand_over, bye, ack };

/* Room for everything: what is in a channel when its reader gives up stays there. */
chan to_backup = [OUTPUTS + 3] of { mtype:message, byte, bit };
chan to_primary = [OUTPUTS + 3] of { mtype:message, byte };

mtype:role role[2];
bool dead[2];
byte winner = NOBODY;   /* The slot of the pair's epoch. */
bool in_sync = false;   /* Protected has come to the backup. */
bool announced[2];      /* This node has told the other one of its epoch. */
byte lost_replies = 1;  /* Answers of the arbiter that may still be lost. */

byte seen = 0;              /* Outputs outside. */
byte seen_value[OUTPUTS];
byte made[2];               /* Outputs that this node's machine has made. */
byte value[2 * OUTPUTS];    /* What they are. */
byte history[2];            /* All inputs so far. */

#define step(me, from, event, to) assert(role[me] == from); role[me] = to

/* The machine of a live node is given an input that nobody else knows, and makes an output. */
inline run_live(me, given) {
  if :: given = 0 :: given = 1 fi;
  run_with(me, given)
}
inline run_with(me, given) {
  history[me] = 2 * history[me] + 1 + given;
  value[me * OUTPUTS + made[me]] = history[me];
  made[me]++
}

/* An output is on the wire. */
inline release(me, number) {
  d_step {
    assert(role[me] == primary || role[me] == ending || role[me] == lone);
    assert(number <= seen);
    if
    :: number < seen -> assert(seen_value[number] == value[me * OUTPUTS + number])
    :: else -> seen_value[seen] = value[me * OUTPUTS + number]; seen++
    fi;
    number++
  }
}

inline go_live(me) {
  step(me, arbitrating, won, lone);
  assert(in_sync || me == P);
  assert(role[OTHER(me)] != lone || dead[OTHER(me)]);
  announced[me] = true
}

/* The test-and-set. It does what it is asked; the answer may get lost. */
inline ask_arbiter(me, answer) {
  d_step {
    answer = NOBODY;
    if
    :: winner == NOBODY -> winner = me
    :: else
    fi
  };
  if
  :: atomic { lost_replies > 0 -> lost_replies-- }
  :: answer = winner
#ifdef TWO_WINNERS
  :: answer = me
#endif
  fi
}

/* A process dies between any two of its steps. What is on its way to it stays unread. */
#define dies(me) dead[me] = true; goto over

active proctype Primary() {
  byte acked = 0, left = 0, answer;
  bit given;
  role[P] = waiting;
  if
  :: to_primary?hello,_ -> step(P, waiting, backup_joined, joining)
  :: dies(P)
  fi;
  if
  :: atomic { winner == NOBODY -> step(P, joining, backup_ready, primary); to_backup!protect,0,0 }
  :: atomic { step(P, joining, backup_lost, waiting) }; goto over
  :: dies(P)
  fi;

  do
  :: atomic { role[P] == primary && made[P] < OUTPUTS ->
              run_live(P, given); to_backup!record,made[P],given }
  :: to_primary?ack,acked
#ifdef RELEASE_EARLY
  :: left < made[P] -> release(P, left)
#else
  :: left < acked && left < made[P] -> release(P, left)
#endif
  :: atomic { role[P] == primary -> step(P, primary, end, ending);
              if  /* The End record, behind that of the last output. */
              :: to_backup!planned_end,made[P] + 1,0
              :: to_backup!planned_hand_over,made[P] + 1,0
              fi }
#ifdef BYE_EARLY
  :: atomic { role[P] == ending ->
#else
  :: atomic { role[P] == ending && acked == made[P] + 1 && left == made[P] ->
#endif
              to_backup!bye,0,0; step(P, ending, drained, finished) };
     goto over
  :: atomic { role[P] == primary -> step(P, primary, backup_lost, arbitrating) }; break
  :: atomic { role[P] == ending -> step(P, ending, backup_lost, arbitrating) }; break
  :: atomic { announced[B] && role[P] == primary -> step(P, primary, higher_epoch, halted) };
     goto over
  :: atomic { announced[B] && role[P] == ending -> step(P, ending, higher_epoch, halted) };
     goto over
  :: dies(P)
  od;

  do
  :: ask_arbiter(P, answer);
     if
     :: answer == P -> break
     :: answer == B ->
#ifdef LOST_GOES_ON
        break
#else
        atomic { step(P, arbitrating, lost, halted) };
        goto over
#endif
     :: answer == NOBODY
     fi
  :: atomic { announced[B] -> step(P, arbitrating, higher_epoch, halted) }; goto over
  :: dies(P)
  od;
  if
  :: atomic { go_live(P) }
  :: dies(P)
  fi;
  do
  :: left < made[P] -> release(P, left)
  :: atomic { left == made[P] && made[P] < OUTPUTS -> run_live(P, given) }
  :: atomic { left == made[P] -> step(P, lone, end, finished) }; break
  :: dies(P)
  od;
over:
  skip
}

active proctype Backup() {
  byte accepted = 0, left = 0, number, answer;
  bit inputs[OUTPUTS + 1];
  bit given;
  bool said_goodbye = false;
  role[B] = syncing;
  to_primary!hello,0;
  if
  :: atomic { to_backup?protect,_,_ -> step(B, syncing, protected, backup); in_sync = true }
#ifdef SYNCING_ASKS
  :: role[B] = arbitrating; goto takeover
#else
  :: atomic { step(B, syncing, primary_lost, halted) }; goto over
#endif
  :: dies(B)
  fi;

  do
#ifdef ACK_EARLY
  :: atomic { role[B] == backup && accepted < OUTPUTS -> to_primary!ack,accepted + 1 }
#endif
  :: atomic { to_backup?record,number,given -> assert(number == accepted + 1);
              inputs[accepted] = given; accepted++; to_primary!ack,accepted }
  :: atomic { to_backup?planned_end,number,_ -> assert(number == accepted + 1);
              to_primary!ack,number; step(B, backup, end, draining) }
  :: atomic { to_backup?planned_hand_over,number,_ -> assert(number == accepted + 1);
              to_primary!ack,number; step(B, backup, hand_over, arbitrating) };
     break
  :: atomic { to_backup?bye,_,_ -> said_goodbye = true }
  :: atomic { role[B] == draining && said_goodbye -> step(B, draining, drained, finished) };
     goto over
  :: atomic { role[B] == backup -> step(B, backup, primary_lost, arbitrating) }; break
  :: atomic { role[B] == draining -> step(B, draining, primary_lost, arbitrating) }; break
  :: atomic { announced[P] && role[B] == backup -> step(B, backup, higher_epoch, halted) };
     goto over
  :: atomic { announced[P] && role[B] == draining -> step(B, draining, higher_epoch, halted) };
     goto over
  :: dies(B)
  od;

takeover:
  do
  :: ask_arbiter(B, answer);
     if
     :: answer == B -> break
     :: answer == P ->
#ifdef LOST_GOES_ON
        break
#else
        atomic { step(B, arbitrating, lost, halted) };
        goto over
#endif
     :: answer == NOBODY
     fi
  :: atomic { announced[P] -> step(B, arbitrating, higher_epoch, halted) }; goto over
  :: dies(B)
  od;
  /* Its machine comes to the end of what it has; nobody sees when it did which part of that. */
  atomic {
#ifdef UNDRAINED
    if :: accepted > 0 -> accepted-- :: else fi;
#endif
    do
    :: made[B] < accepted -> run_with(B, inputs[made[B]])
    :: else -> break
    od;
#ifdef NO_REISSUE
    left = made[B];
#endif
    number = 0
  };
  if
  :: atomic { go_live(B) }
  :: dies(B)
  fi;
  do
  :: left < made[B] -> release(B, left)
  :: atomic { left == made[B] && made[B] < OUTPUTS -> run_live(B, given) }
  :: atomic { left == made[B] -> step(B, lone, end, finished) }; break
  :: dies(B)
  od;
over:
  skip
}

/* Where nothing more can happen. Who was not protected yet waits for another backup; who finished
 * has ended the machine, or handed it over; and with both halves gone nobody promised anything:
 * dead, or halted because the other one had won, which then died. */
active proctype Monitor() {
  timeout;
  assert(role[P] == finished || role[B] == finished || role[P] == waiting || dead[P] || dead[B]);
  assert(role[P] != finished || role[B] != finished || seen >= made[P])
}
