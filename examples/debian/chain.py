"""The hash chain that a guest prints while its machine dies: the shell line that makes it, and the
check that every line arrived once, in order, and follows from the one before."""
import hashlib
import re

LINE = re.compile(r"^chain (\d+) ([0-9a-f]{16})\r?$", re.M)


def shell_command(count):
    """A busybox shell loop; each line holds a hash of the line before it."""
    return (f"h=0; i=0; while [ $i -lt {count} ]; do h=$(echo $i $h | md5sum | cut -c1-16); "
            "echo chain $i $h; i=$((i+1)); done; echo chain-end")


def problems(transcript, count):
    """What is wrong with the chain in a console transcript; empty when nothing is."""
    found = LINE.findall(transcript)
    value, wrong = "0", []
    for expected, (number, shown) in enumerate(found):
        value = hashlib.md5(f"{expected} {value}\n".encode()).hexdigest()[:16]
        if int(number) != expected:
            wrong.append(f"line {number} stands where line {expected} belongs")
            break
        if shown != value:
            wrong.append(f"line {number} has hash {shown}, not {value}")
            break
    if not wrong and len(found) != count:
        wrong.append(f"{len(found)} lines of {count}")
    return wrong
