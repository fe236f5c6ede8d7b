const held = [];
for (let i = 0; i < 70; i++) held.push(Buffer.alloc(10_000_000, 1));
console.log('BROKEN 700 MB in Node: all of it');
