/* The child's half of the tour. */

#ifndef TOUR_CHILD_H_
#define TOUR_CHILD_H_

/*
 * Accepts the invitation that comes over |socket| and answers the parent until
 * it asks for the end or is gone. Returns the exit status of the process.
 */
int run_child(int socket);

#endif /* TOUR_CHILD_H_ */
