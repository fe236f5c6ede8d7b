echo HELD the sandbox works on
