require('fs').writeFileSync('/workspace/works', 'x'.repeat(4096));
console.log('HELD the sandbox works on');
