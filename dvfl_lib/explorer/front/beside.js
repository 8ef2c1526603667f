export function makeBeside() { return () => {}; }
